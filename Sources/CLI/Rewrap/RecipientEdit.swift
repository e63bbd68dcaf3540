import Envelope
import Resources
import System
import YAML

/// Changed recipients in the text of a WrappedSecret.
enum RecipientEdit {
    /// Writes the changed documents of a file; nil: it stays as it is.
    ///
    /// Errors: the layout cannot be edited, or the file cannot be written. It is as it was then.
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

    /// What stands in the place of an old recipient.
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
        }
    }

    /// What goes and what comes.
    private static func changeElements(
        of document: WrappedSecretDocument, _ change: RecipientChange, with editor: inout SourceEditor
    ) throws(SourceEditError) {
        let removed = Set(change.replacements.indices.filter { change.replacements[$0] == nil })
        guard let recipients = document.node["spec"]?["recipients"],
            !removed.isEmpty || !change.added.isEmpty
        else { return }
        try editor.change(
            recipients, removing: removed,
            appending: change.added.map { [("keyID", $0.keyID), ("wrappedKey", $0.wrappedKey)] })
    }
}
