import CLI
import Cryptography
import Glibc
import Settings
import System
import YAML

/// The user's editor, which reads and writes a file in a private folder in memory.
enum Editor {
    static var foldersInMemory: [String] {
        [Environment.process.value("XDG_RUNTIME_DIR"), "/dev/shm", "/run/user/\(getuid())"].compactMap(\.self)
    }

    /// Runs the editor of VISUAL or EDITOR, or vi.
    static func run(on path: String) throws {
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

    /// Returns the text that the editor has saved.
    static func read(_ path: String) throws(InputError) -> SecretBytes {
        do throws(FileError) {
            return try SecretBytes(contentsOfFile: path, limit: YAMLReader.maximumBytes)
        } catch {
            throw InputError("cannot read the edited values: \(error.reason)")
        }
    }
}
