package import Envelope

/// What becomes of the recipients of a row.
package struct RecipientChange: Sendable, Equatable {
    let old: [Recipient]
    /// What stands in the place of each old one; nil: it goes.
    let replacements: [Recipient?]
    /// After these.
    let added: [Recipient]

    package var result: [Recipient] { replacements.compactMap(\.self) + added }

    var isEmpty: Bool { added.isEmpty && replacements == old }

    /// For people: `transit/sb-wrap v1 -> v2`, `+ key`, `- key`.
    package var description: String {
        let changes = zip(old, replacements).compactMap { old, new -> String? in
            guard let new else { return "- \(old.keyAndVersion)" }
            guard old != new else { return nil }
            let isSameKey = old.keyID.utf8.elementsEqual(new.keyID.utf8)
            let now = isSameKey ? new.keyVersion.map { "v\($0)" } ?? "?" : new.keyAndVersion
            return "\(old.keyAndVersion) -> \(now)"
        }
        return (changes + added.map { "+ \($0.keyAndVersion)" }).joined(separator: ", ")
    }
}
