import Glibc

/// A lock that several processes, and several tasks of one, take in turn (flock(2)). The file stays: removing it would let two
/// holders lock two files of one name.
package enum FileLock {
    /// The time between two attempts in microseconds. Holders have the lock for milliseconds.
    private static let retryInterval: UInt32 = 20_000

    /// Runs `body` while no other holder has the lock at this path, which the system releases if the process ends.
    ///
    /// - Parameter timeout: The time to wait for another holder, which may be stopped or on another machine.
    /// - Throws: `FileError` if the file cannot be created or locked in this time, and what `body` throws.
    package static func withLock<Result>(
        _ path: String, timeout: Duration = .seconds(10), _ body: () throws -> Result
    ) throws -> Result {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw FileError.lastSystemError(path) }
        defer { close(file) }
        let deadline = ContinuousClock.now + timeout
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EINTR || errno == EWOULDBLOCK else { throw FileError.lastSystemError(path) }
            guard ContinuousClock.now < deadline else {
                throw FileError(
                    path: path, reason: "another process holds the lock; end it, or try again later")
            }
            usleep(retryInterval)
        }
        return try body()
    }
}
