import Cryptography
import Glibc
import System

/// Reads small files whose content may be secret. Blocks, as local files do.
enum CredentialFile {
    static let maximumBytes = 8 << 20

    /// What changes when a file is replaced, be it by a new file, a moved link or a write.
    struct Stamp: Equatable {
        let device: UInt
        let inode: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }

    /// nil: not there.
    static func stamp(of path: String) -> Stamp? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return Stamp(
            device: UInt(info.st_dev), inode: UInt(info.st_ino), size: Int(info.st_size),
            seconds: Int(info.st_mtim.tv_sec), nanoseconds: Int(info.st_mtim.tv_nsec))
    }

    /// Whether there is nothing of that name. False also where that cannot be seen, so that reading it says why.
    static func isMissing(_ path: String) -> Bool {
        access(path, F_OK) != 0 && [ENOENT, ENOTDIR].contains(errno)
    }

    /// The setting that a path comes from.
    struct PathSetting: Sendable {
        /// As it is written, before it is resolved against a folder. Errors quote no path that may be a secret instead.
        let text: String
        /// The setting that takes the content itself: `client-key-data`.
        let inline: String
    }

    /// `purpose` says in an error what the file was wanted for: `users["a"].user.client-key of FILE`.
    static func read(
        _ path: String, for purpose: String, setting: PathSetting? = nil
    ) throws(ConfigurationError) -> SecretBytes {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw unreadable(path, purpose, setting, errno) }
        defer { close(file) }
        var buffer = SecretBuffer(capacity: 4096)
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer {
            if let start = chunk.baseAddress { explicit_bzero(start, chunk.count) }
            chunk.deallocate()
        }
        while true {
            let count = Glibc.read(file, chunk.baseAddress, chunk.count)
            if count == 0 { return buffer.finish() }
            if count < 0 {
                if errno == EINTR { continue }
                throw unreadable(path, purpose, setting, errno)
            }
            buffer.append(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
            guard buffer.count <= maximumBytes else {
                throw ConfigurationError(
                    .unreadable,
                    "\(path): more than \(maximumBytes) bytes; is it the right file for \(purpose)?")
            }
        }
    }

    private static func unreadable(
        _ path: String, _ purpose: String, _ setting: PathSetting?, _ code: Int32
    ) -> ConfigurationError {
        guard PathRedaction.printablePath(setting?.text ?? path) != nil else {
            let remedy = setting.map { "; if it holds the content itself, use \($0.inline)" } ?? ""
            return ConfigurationError(
                .unreadable,
                "\(purpose): is no path of a file that can be read (\(systemMessage(code)))\(remedy)")
        }
        return ConfigurationError(
            .unreadable, "\(path): cannot be read (\(systemMessage(code))); needed for \(purpose)")
    }
}

func systemMessage(_ code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
