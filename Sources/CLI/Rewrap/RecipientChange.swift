package import Envelope
import Resources
import System
import YAML

/// A change of an envelope's recipients.
package struct RecipientChange: Sendable, Equatable {
    let old: [Recipient]
    /// The replacement of each old recipient, or nil if it is removed.
    let replacements: [Recipient?]
    /// Recipients that are appended.
    let added: [Recipient]

    package var result: [Recipient] { replacements.compactMap(\.self) + added }

    init(old: [Recipient], replacements: [Recipient?], added: [Recipient]) {
        self.old = old
        self.replacements = replacements
        self.added = added
    }

    /// Creates the change to other recipients. Each stays at its place in the file, beside its comments. A new one takes the place
    /// of one that is removed, which it usually replaces.
    init(from old: [Recipient], toAllOf new: [Recipient]) {
        var rest = new
        func takeFirst(_ condition: (Recipient) -> Bool) -> Recipient? {
            rest.firstIndex(where: condition).map { rest.remove(at: $0) }
        }
        let kept = old.map { recipient in
            takeFirst { $0.keyID.utf8.elementsEqual(recipient.keyID.utf8) }
        }
        let replacements = kept.map { $0 ?? takeFirst { _ in true } }
        self.init(old: old, replacements: replacements, added: rest)
    }

    var isEmpty: Bool { added.isEmpty && replacements == old }

    /// The change as text: `transit/sb-wrap v1 -> v2`, `+ key`, `- key`.
    package var description: String {
        let changes = zip(old, replacements).compactMap { old, new -> String? in
            guard let new else { return "- \(old.keyAndVersion)" }
            guard old != new else { return nil }
            let isSameKey = old.keyID.utf8.elementsEqual(new.keyID.utf8)
            let newVersion = new.keyVersion.map { "v\($0)" } ?? (new.isVersioned ? "?" : "newest version")
            let now = isSameKey ? newVersion : new.keyAndVersion
            return "\(old.keyAndVersion) -> \(now)"
        }
        return (changes + added.map { "+ \($0.keyAndVersion)" }).joined(separator: ", ")
    }
}

/// Edits the recipients in the text of a WrappedSecret.
enum RecipientEdit {
    /// Writes the changed documents of a file.
    ///
    /// - Parameter changes: The change of each document, or nil to keep it.
    /// - Throws: `InputError` if the layout cannot be edited or the file cannot be written. The file is unchanged then.
    static func write(_ file: WrappedSecretFile, _ changes: [RecipientChange?]) throws(InputError) {
        try file.applyEdits { editor throws(SourceEditError) in
            for (document, change) in zip(file.documents, changes) {
                if let change { try apply(change, to: document, with: &editor) }
            }
        }
    }

    static func apply(
        _ change: RecipientChange, to document: WrappedSecretDocument, with editor: inout SourceEditor
    ) throws(SourceEditError) {
        try replaceScalars(of: document, change, with: &editor)
        try changeElements(of: document, change, with: &editor)
    }

    /// Replaces key ids and wrapped keys in place.
    private static func replaceScalars(
        of document: WrappedSecretDocument, _ change: RecipientChange, with editor: inout SourceEditor
    ) throws(SourceEditError) {
        let nodes = document.node["spec"]?["recipients"]?.elements ?? []
        for (node, (old, new)) in zip(nodes, zip(change.old, change.replacements)) {
            guard let new else { continue }
            if !new.keyID.utf8.elementsEqual(old.keyID.utf8), let keyID = node["keyID"] {
                try editor.replace(keyID, with: new.keyID)
            }
            if new.wrappedKey != old.wrappedKey, let wrappedKey = node["wrappedKey"] {
                try editor.replace(wrappedKey, with: new.wrappedKey)
            }
            guard new.algorithm != old.algorithm else { continue }
            if let name = new.algorithm {
                try editor.set("algorithm", of: node, to: .string(name))
            } else {
                try editor.change(pairsOf: node, removing: ["algorithm"], appending: [])
            }
        }
    }

    /// Removes and appends recipients.
    private static func changeElements(
        of document: WrappedSecretDocument, _ change: RecipientChange, with editor: inout SourceEditor
    ) throws(SourceEditError) {
        let removed = Set(change.replacements.indices.filter { change.replacements[$0] == nil })
        guard let recipients = document.node["spec"]?["recipients"],
            !removed.isEmpty || !change.added.isEmpty
        else { return }
        try editor.change(
            recipients, removing: removed,
            appending: change.added.map(\.manifestFields))
    }
}

extension Recipient {
    /// The fields of an item of `spec.recipients`.
    var manifestFields: [(key: String, value: String)] {
        [("keyID", keyID)] + (algorithm.map { [("algorithm", $0)] } ?? []) + [("wrappedKey", wrappedKey)]
    }
}
