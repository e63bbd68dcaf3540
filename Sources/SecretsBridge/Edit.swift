import ArgumentParser
import CLI
import Envelope
import Glibc
import KMS
import Primitives

struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Edit the values of a WrappedSecret in a file.",
        discussion: """
            Opens them in VISUAL, EDITOR or vi, in a folder of its own that is in memory (XDG_RUNTIME_DIR or \
            /dev/shm) and is emptied afterwards. Changed values get a new data key, wrapped for the same keys; other \
            bytes of the file stay. If nothing changes, or the editor fails, the file is not touched.

              secrets-bridge edit db.yaml
            """)

    @OptionGroup var document: DocumentOptions

    func run() async throws {
        let keys = try loadKeys()
        do {
            let opened = try await document.open(with: keys)
            let manifest = EditableManifest(opened)
            // The folder is removed whatever happens to the editor: what ends the terminal's programs ends it first.
            for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_IGN) }
            let folder = try PrivateFolder(in: Self.foldersInMemory)
            defer { folder.remove() }
            let before = manifest.text
            try folder.write(before, to: "values.yaml")
            while true {
                try runEditor(on: "\(folder.path)/values.yaml")
                do {
                    let after = try SecretBytes(
                        contentsOfFile: "\(folder.path)/values.yaml", limit: ManifestOptions.maximumFile)
                    if after.equals(before) {
                        DocumentOptions.say(ValueDifference(from: [], to: []))
                        return
                    }
                    let difference = try await ValueEdit(opened, with: keys).replaceValues(
                        with: try manifest.entries(in: after))
                    DocumentOptions.say(difference)
                    return
                } catch let error as InputError {
                    // What was typed is not lost for a slip, or for a disk that is full.
                    guard Console.asks("\(error)\nPress Enter to edit again, or q and Enter to give up: ")
                    else {
                        throw error
                    }
                }
            }
        } catch let error as InputError {
            throw CommandError(error)
        } catch let error as FileError {
            throw CommandError("no place for the editor: \(error)")
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
