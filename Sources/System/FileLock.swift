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

    /// Runs `body` while no other process, and no other thread, runs one for a file in the same folder. `body` checks and
    /// renames a file, and takes well below a second. The lock is one on the folder itself, so that no file is left.
    ///
    /// If the file system has no locks, or the folder cannot be read, `body` runs without one.
    ///
    /// - Parameter path: the path of the file in the folder.
    /// - Parameter name: the path for the error.
    /// - Throws: `FileError` if another process keeps the lock, and what `body` throws.
    static func withFolderLock<Result>(
        for path: String, named name: String, timeout: Duration = .seconds(10),
        _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        let parent = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "./"
        let folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return try body() }
        defer { close(folder) }
        let deadline = ContinuousClock.now + timeout
        var pause: UInt32 = 500
        while flock(folder, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            guard errno == EWOULDBLOCK else { break }
            // Ctrl-C takes effect at the end of the replacement.
            guard ContinuousClock.now < deadline, TerminationSignals.received == nil else {
                throw FileError(
                    path: name,
                    reason:
                        "another process holds the lock of its folder; it was not changed, run this again "
                        + "when that process has ended")
            }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
        return try body()
    }
}
