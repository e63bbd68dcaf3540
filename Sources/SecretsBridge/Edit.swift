import ArgumentParser
import CLI
import Cryptography
import Envelope
import Glibc
import KMS
import System

/// The keys and the rule of the edits of one document.
private struct ValueEdits {
    let keys: KeyRing
    let recipientKeys: [RecipientKey]
    let rule: Rule?
}

struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Edit the values of a WrappedSecret in a file.",
        discussion: """
            Opens the values in VISUAL, EDITOR or vi. They are stored in a private folder in memory (in XDG_RUNTIME_DIR or \
            /dev/shm), which is removed afterwards, or by the next edit if this one is killed. Encrypts the values under a \
            new data key, which is wrapped for the same keys, or for those that a rule of .secrets-bridge.yaml lists. The \
            rest of the file stays as it is. If nothing changes, the editor fails, or the command is interrupted, the file \
            is not written. Exit codes: 0 done; 1 failed; 64 wrong usage; 130 interrupted, 143 terminated.

              secrets-bridge edit db.yaml
            """)

    @OptionGroup var document: DocumentOptions

    @OptionGroup var rules: RulesOptions

    @OptionGroup var recipients: RecipientOptions

    func validate() throws { try checkNoStandardInput([document.file]) }

    func run() async throws {
        // An earlier run that was killed may have left values.
        PrivateFolder.removeAbandoned(in: Self.foldersInMemory)
        let keys = try await recipients.explainingThatFilesOnlyWrap { try document.keys() }
        let rule = try document.rule(rules)
        let recipientKeys = try recipients.keys(beside: rule?.recipients?.files ?? [])
        let difference: ValueDifference
        do {
            let opened = try await recipients.explainingThatFilesOnlyWrap {
                try await document.open(with: keys, rule: rule)
            }
            // A file that cannot be written is reported before the user edits.
            try check()
            // Signals end the editor first, and the folder is removed in any case.
            TerminationSignals.startRecording()
            signal(SIGPIPE, SIG_IGN)
            let folder = try PrivateFolder(in: Self.foldersInMemory)
            defer { folder.remove() }
            let changes = ValueEdits(keys: keys, recipientKeys: recipientKeys, rule: rule)
            difference = try await edit(opened, in: folder, changes)
        } catch let error as FileError {
            throw CommandError("cannot create a folder for the editor: \(error)")
        }
        DocumentOptions.printDifference(difference)
    }

    private func check() throws(InputError) {
        do throws(FileError) {
            try FileReplacement.checkReplaceable(document.file)
        } catch {
            throw InputError(unwritable: document.file, error.reason)
        }
    }

    private func edit(
        _ document: OpenedDocument, in folder: PrivateFolder, _ changes: ValueEdits
    ) async throws -> ValueDifference {
        var opened = document
        let before = EditableManifest(opened).text
        let path = "\(folder.path)/values.yaml"
        try folder.write(before, to: "values.yaml")
        while true {
            try runEditor(on: path)
            do throws(InputError) {
                let after = try read(path)
                if after.equals(before) { return ValueDifference(from: [], to: []) }
                let entries = try EditableManifest(opened).entries(in: after, note: Console.note)
                try confirm(entries, of: opened)
                let edit = ValueEdit(
                    opened, with: changes.keys, recipientKeys: changes.recipientKeys, rule: changes.rule,
                    note: { Console.note($0) })
                return try await withRecordedSignalCancellation { () throws(InputError) in
                    try await edit.replaceValues(with: entries)
                }
            } catch {
                if TerminationSignals.received != nil { throw error }
                // The edited text survives a mistake, a full disk, and a change by another process.
                var question = error.description
                if let current = try? await self.document.open(with: changes.keys, rule: changes.rule) {
                    let otherChanges = ValueDifference(from: opened.entries, to: current.entries)
                    if !otherChanges.isEmpty {
                        question +=
                            "\nSaving again replaces these changes of another process: "
                            + otherChanges.lines.listed()
                    }
                    opened = current
                }
                guard Prompt.confirm("\(question)\nPress Enter to edit again, or q to give up: ") else {
                    throw error
                }
            }
        }
    }

    /// Asks for confirmation if the edit removes all entries, which is probably a mistake.
    private func confirm(_ entries: [SecretEntry], of opened: OpenedDocument) throws(InputError) {
        guard entries.isEmpty, !opened.entries.isEmpty else { return }
        let names = opened.entries.map(\.name).listed()
        guard
            Prompt.confirm(
                "The edit removes all entries (\(names)).\nPress y to remove them, or Enter to keep them: ",
                enter: false)
        else {
            throw InputError(
                "\(document.file): the edit removes all entries (\(names)) and was not confirmed; the file was not written; "
                    + "secrets-bridge unset removes entries without confirmation")
        }
    }

    private func read(_ path: String) throws(InputError) -> SecretBytes { try Editor.read(path) }

    private static var foldersInMemory: [String] { Editor.foldersInMemory }

    private func runEditor(on path: String) throws { try Editor.run(on: path) }
}
