import Cryptography
import Glibc
import System

/// Reads small files whose content may be secret. Blocks while it reads.
enum CredentialFile {
    static let maximumByteCount = 8 << 20

    /// Returns true if no file has that name. Returns false if that cannot be determined, so that reading the file
    /// reports the reason.
    static func isMissing(_ path: String) -> Bool {
        access(path, F_OK) != 0 && [ENOENT, ENOTDIR].contains(errno)
    }

    /// The setting that contains a path.
    struct PathSetting: Sendable {
        /// The value of the setting, before it is resolved against a folder. Errors do not quote it if it may be a
        /// secret instead of a path.
        let text: String
        /// The name of the setting that takes the content itself, such as `client-key-data`.
        let inline: String
    }

    /// - Parameter purpose: what the file is needed for, as errors describe it, such as `users["a"].user.client-key of
    ///   FILE`.
    static func read(
        _ path: String, for purpose: String, setting: PathSetting? = nil
    ) throws(ConfigurationError) -> SecretBytes {
        do throws(FileError) {
            // `SecretBytes` would read standard input for "-"; here it is the name of a file.
            return try SecretBytes(contentsOfFile: path == "-" ? "./-" : path, limit: maximumByteCount)
        } catch {
            guard PathRedaction.printablePath(setting?.text ?? path) != nil else {
                let remedy = setting.map { "; if it holds the content itself, use \($0.inline)" } ?? ""
                throw ConfigurationError(
                    .unreadable,
                    "\(purpose): is not the path of a readable file (\(error.reason))\(remedy)")
            }
            throw ConfigurationError(
                .unreadable,
                error.isTooLarge
                    ? "\(path): \(error.reason); is it the right file for \(purpose)?"
                    : "\(path): cannot be read (\(error.reason)); needed for \(purpose)")
        }
    }
}
