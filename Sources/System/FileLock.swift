import Glibc

/// A lock that several processes, and several tasks of one, take in turn (flock(2)). The file stays: removing it would let two
/// holders lock two files of one name.
package enum FileLock {
    /// Runs `body` while no other holder has the lock at this path, which the system releases if the process ends.
    ///
    /// - Throws: `FileError` if the file cannot be created or locked, and what `body` throws.
    package static func withLock<Result>(
        _ path: String, _ body: () throws -> Result
    ) throws -> Result {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw FileError.lastSystemError(path) }
        defer { close(file) }
        while flock(file, LOCK_EX) != 0 {
            guard errno == EINTR else { throw FileError.lastSystemError(path) }
        }
        return try body()
    }
}
