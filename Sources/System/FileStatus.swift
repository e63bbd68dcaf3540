import Glibc

/// The kind of file that a path refers to. Symbolic links are followed.
package enum FileKind: Sendable {
    case missing, file, folder, danglingSymlink
    /// A device, a socket or a pipe.
    case other

    /// - Throws: `FileError` if a parent folder cannot be entered, or is not a folder.
    package init(of path: String) throws(FileError) {
        var info = stat()
        if stat(path, &info) == 0 {
            switch info.st_mode & S_IFMT {
            case S_IFREG: self = .file
            case S_IFDIR: self = .folder
            default: self = .other
            }
            return
        }
        let (code, reason) = (errno, lastSystemError())
        if lstat(path, &info) == 0 {
            // With any other error the target exists, but cannot be accessed.
            guard code == ENOENT || code == ELOOP else { throw FileError(path: path, reason: reason) }
            self = .danglingSymlink
        } else if code == ENOENT {
            self = .missing
        } else {
            throw FileError(path: path, reason: reason)
        }
    }

    /// The kind as the end of a sentence: `a.yaml is …`.
    package var phrase: String {
        switch self {
        case .missing: "missing"
        case .file: "a file"
        case .folder: "a folder"
        case .danglingSymlink: "a symbolic link whose target does not exist"
        case .other: "neither a file nor a folder"
        }
    }
}

/// Identifies the version of a file: it changes if the file is replaced, written to, or reached through another link.
package struct FileFingerprint: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let seconds: Int
    private let nanoseconds: Int

    /// Returns nil if the file does not exist or cannot be accessed.
    package init?(path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
        size = Int64(info.st_size)
        seconds = info.st_mtim.tv_sec
        nanoseconds = info.st_mtim.tv_nsec
    }
}

/// Paths that refer to an open file descriptor of this process.
package enum DescriptorPath {
    private static let names = [
        "/dev/stdin": STDIN_FILENO, "/dev/stdout": STDOUT_FILENO, "/dev/stderr": STDERR_FILENO,
    ]
    private static let folders = ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"]

    /// Returns the descriptor of a path such as `/dev/stdin`, `/dev/fd/63` or `/proc/self/fd/0`, or nil for other paths.
    package static func fileDescriptor(_ path: String) -> Int32? {
        if let number = names[path] { return number }
        for folder in folders where path.hasPrefix(folder) {
            guard let number = Int32(path.dropFirst(folder.count)), number >= 0 else { return nil }
            return number
        }
        return nil
    }

    /// Returns whether the path refers to standard input: `-` or for example `/dev/stdin`.
    package static func isStandardInput(_ path: String) -> Bool {
        path == "-" || fileDescriptor(path) == STDIN_FILENO
    }

    /// Returns whether the bytes come from another program or a terminal and not from a file of that name: standard input,
    /// another descriptor (`<(command)`), a named pipe.
    package static func isStream(_ path: String) -> Bool {
        if path == "-" || fileDescriptor(path) != nil { return true }
        var info = stat()
        return stat(path, &info) == 0 && [S_IFIFO, S_IFCHR, S_IFSOCK].contains(info.st_mode & S_IFMT)
    }
}
