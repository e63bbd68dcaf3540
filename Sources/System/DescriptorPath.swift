import Glibc

/// Paths that stand for an open descriptor of this process, and not for a file of their own.
package enum DescriptorPath {
    private static let names = [
        "/dev/stdin": STDIN_FILENO, "/dev/stdout": STDOUT_FILENO, "/dev/stderr": STDERR_FILENO,
    ]
    private static let folders = ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"]

    /// The descriptor, as in `/dev/stdin`, `/dev/fd/63` and `/proc/self/fd/0`; nil for other paths.
    package static func fileDescriptor(_ path: String) -> Int32? {
        if let number = names[path] { return number }
        for folder in folders where path.hasPrefix(folder) {
            guard let number = Int32(path.dropFirst(folder.count)), number >= 0 else { return nil }
            return number
        }
        return nil
    }

    /// Whether standard input is read: `-`, or a path that stands for it.
    package static func isStandardInput(_ path: String) -> Bool {
        path == "-" || fileDescriptor(path) == STDIN_FILENO
    }

    /// Whether the bytes come from another program or from the terminal and not from a file of that name: standard input,
    /// another descriptor (`<(command)`), a named pipe.
    package static func isStream(_ path: String) -> Bool {
        if path == "-" || fileDescriptor(path) != nil { return true }
        var info = stat()
        return stat(path, &info) == 0 && [S_IFIFO, S_IFCHR, S_IFSOCK].contains(info.st_mode & S_IFMT)
    }
}
