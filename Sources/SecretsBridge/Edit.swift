import ArgumentParser
import CLI
import Envelope
import Glibc
import KMS
import Primitives
import YAML

struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Edit the values of a WrappedSecret in a file.",
        discussion: """
            Opens them in VISUAL, EDITOR or vi, in a folder of its own that is in memory (XDG_RUNTIME_DIR or \
            /dev/shm) and is emptied afterwards; if this is killed, the next edit empties it. Changed values get a new data key, wrapped for the same keys; other \
            bytes of the file stay. If nothing changes, or the editor fails, the file is not touched.

              secrets-bridge edit db.yaml
            """)

    @OptionGroup var document: DocumentOptions

    func run() async throws {
        // Values that an earlier run left because it was killed.
        PrivateFolder.removeAbandoned(in: Self.foldersInMemory)
        let keys = try loadKeys()
        let difference: ValueDifference
        do {
            let opened = try await document.open(with: keys)
            // What cannot be written is better known before it is typed.
            try check()
            // What ends the terminal's programs, or those of a pipe, ends the editor first: the folder is removed
            // whatever happens to it.
            for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
            let folder = try PrivateFolder(in: Self.foldersInMemory)
            defer { folder.remove() }
            difference = try await edit(opened, in: folder, with: keys)
        } catch let error as InputError {
            throw CommandError(error)
        } catch let error as FileError {
            throw CommandError("no place for the editor: \(error)")
        }
        DocumentOptions.say(difference)
    }

    private func check() throws(InputError) {
        do throws(FileError) {
            try FileReplacement.check(document.file)
        } catch {
            throw InputError("cannot write \(document.file): \(error.reason)")
        }
    }

    private func edit(
        _ document: OpenedDocument, in folder: PrivateFolder, with keys: KeyRing
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
                return try await ValueEdit(opened, with: keys).replaceValues(
                    with: try EditableManifest(opened).entries(in: after))
            } catch {
                // What was typed is not lost for a slip, for a disk that is full, or for somebody else's change.
                var question = error.description
                if let now = try? await self.document.open(with: keys) {
                    let theirs = ValueDifference(from: opened.entries, to: now.entries)
                    if !theirs.isEmpty {
                        question +=
                            "\nWhat you save next takes the place of theirs: \(theirs.lines.joined(separator: ", "))"
                    }
                    opened = now
                }
                guard Prompt.asks("\(question)\nPress Enter to edit again, or q to give up: ") else {
                    throw error
                }
            }
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
            // It may come with arguments.
            status = try ForegroundProcess.run(["/bin/sh", "-c", "\(editor) \"$1\"", "editor", path])
        } catch {
            throw CommandError("cannot start the editor \(editor); set EDITOR")
        }
        guard status == 0 else {
            throw CommandError("the editor (\(editor)) failed with \(status); the file was not touched")
        }
    }
}
