import ArgumentParser
import CLI
import Cryptography
import Envelope
import Glibc
import KMS
import Settings
import System
import YAML

struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Edit the values of a WrappedSecret in a file.",
        discussion: """
            Opens the values in VISUAL, EDITOR or vi. They are stored in a private folder in memory (in XDG_RUNTIME_DIR or \
            /dev/shm), which is removed afterwards, or by the next edit if this one is killed. Encrypts the values under a \
            new data key, which is wrapped for the same keys. The rest of the file stays as it is. If nothing changes, the \
            editor fails, or the command is interrupted, the file is not written. Exit codes: 0 done; 1 failed; 64 wrong \
            usage; 130 interrupted, 143 terminated.

              secrets-bridge edit db.yaml
            """)

    @OptionGroup var document: DocumentOptions

    @OptionGroup var recipients: RecipientOptions

    func validate() throws { try checkNoStandardInput([document.file]) }

    func run() async throws {
        // An earlier run that was killed may have left values.
        PrivateFolder.removeAbandoned(in: Self.foldersInMemory)
        let keys = try await recipients.explainingThatFilesOnlyWrap { try document.keys() }
        let recipientKeys = try recipients.keys()
        let difference: ValueDifference
        do {
            let opened = try await recipients.explainingThatFilesOnlyWrap {
                try await document.open(with: keys)
            }
            // A file that cannot be written is reported before the user edits.
            try check()
            // Signals end the editor first, and the folder is removed in any case.
            TerminationSignals.startRecording()
            signal(SIGPIPE, SIG_IGN)
            let folder = try PrivateFolder(in: Self.foldersInMemory)
            defer { folder.remove() }
            difference = try await edit(opened, in: folder, with: keys, recipientKeys)
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
        _ document: OpenedDocument, in folder: PrivateFolder, with keys: KeyRing,
        _ recipientKeys: [RecipientKey]
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
                let edit = ValueEdit(opened, with: keys, recipientKeys: recipientKeys)
                return try await withRecordedSignalCancellation { () throws(InputError) in
                    try await edit.replaceValues(with: entries)
                }
            } catch {
                if TerminationSignals.received != nil { throw error }
                // The edited text survives a mistake, a full disk, and a change by another process.
                var question = error.description
                if let current = try? await self.document.open(with: keys) {
                    let otherChanges = ValueDifference(from: opened.entries, to: current.entries)
                    if !otherChanges.isEmpty {
                        question +=
                            "\nSaving again replaces these changes of another process: "
                            + otherChanges.lines.joined(separator: ", ")
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
        let names = opened.entries.map(\.name).joined(separator: ", ")
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

    private func read(_ path: String) throws(InputError) -> SecretBytes {
        do throws(FileError) {
            return try SecretBytes(contentsOfFile: path, limit: YAMLReader.maximumBytes)
        } catch {
            throw InputError("cannot read the edited values: \(error.reason)")
        }
    }

    private static var foldersInMemory: [String] {
        [Environment.process.value("XDG_RUNTIME_DIR"), "/dev/shm", "/run/user/\(getuid())"].compactMap(\.self)
    }

    private func runEditor(on path: String) throws {
        let editor =
            Environment.process.value("VISUAL") ?? Environment.process.value("EDITOR") ?? "vi"
        let status: Int32
        do {
            // The value is a shell command, possibly with arguments. The shell is replaced by a simple command, so that
            // signals reach the editor.
            let isSimple = editor.utf8.allSatisfy { byte in
                byte.isASCIILetterOrDigit || " -_./".utf8.contains(byte)
            }
            let command = isSimple ? "exec \(editor)" : editor
            status = try ForegroundProcess.run(["/bin/sh", "-c", "\(command) \"$1\"", "editor", path])
        } catch {
            throw CommandError("cannot start the editor \(editor); set EDITOR")
        }
        // Ctrl-C ended the editor.
        if status == 128 + SIGINT { TerminationSignals.recordReceived(SIGINT) }
        guard status == 0, TerminationSignals.received == nil else {
            throw CommandError("the editor (\(editor)) failed with \(status); the file was not written")
        }
    }
}
