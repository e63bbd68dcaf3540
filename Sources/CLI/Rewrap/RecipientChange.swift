package import Envelope

/// What becomes of the recipients of a row.
package struct RecipientChange: Sendable, Equatable {
    let old: [Recipient]
    /// What stands in the place of each old one; nil: it goes.
    let kept: [Recipient?]
    /// After these.
    let added: [Recipient]

    package var result: [Recipient] { kept.compactMap(\.self) + added }

    var isNone: Bool { added.isEmpty && kept == old }

    /// For people: `transit/sb-wrap v1 -> v2`, `+ key`, `- key`.
    package var description: String {
        let changes = zip(old, kept).compactMap { old, new -> String? in
            guard let new else { return "- \(old.keyAndVersion)" }
            guard old != new else { return nil }
            let isSameKey = old.keyID.utf8.elementsEqual(new.keyID.utf8)
            let now = isSameKey ? new.version.map { "v\($0)" } ?? "?" : new.keyAndVersion
            return "\(old.keyAndVersion) -> \(now)"
        }
        return (changes + added.map { "+ \($0.keyAndVersion)" }).joined(separator: ", ")
    }
}
