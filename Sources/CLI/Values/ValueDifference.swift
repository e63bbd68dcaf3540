import Cryptography
package import Envelope

/// Which entries of two sets are not the same. It holds names, not values.
package struct ValueDifference: Sendable, Equatable {
    package let added: [String]
    package let removed: [String]
    package let changed: [String]

    package init(from old: [SecretEntry], to new: [SecretEntry]) {
        let before = Dictionary(old.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        let after = Dictionary(new.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        added = after.keys.filter { before[$0] == nil }.sorted()
        removed = before.keys.filter { after[$0] == nil }.sorted()
        changed = before.keys.filter { name in
            guard let old = before[name], let new = after[name] else { return false }
            return !old.bytes.equals(new.bytes)
        }.sorted()
    }

    package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty }

    /// `+ name`, `- name`, `~ name`, a line each.
    package var lines: [String] {
        added.map { "+ \($0)" } + removed.map { "- \($0)" } + changed.map { "~ \($0)" }
    }
}
