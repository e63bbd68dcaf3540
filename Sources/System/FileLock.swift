import Glibc

/// Locks that several processes, and several tasks of one, take in turn (flock(2)). The system releases the lock of a process
/// that ends.
package enum FileLock {
    private enum Attempt {
        case locked
        /// Another holder kept the lock.
        case held
        /// The file system has no locks, for this reason.
        case failed(Int32)
    }

    /// The time that a signal leaves to a holder, which needs milliseconds. It takes effect when the lock is not waited for.
    private static let timeoutAfterSignal: Duration = .seconds(1)

    /// Waits for the lock of an open file.
    ///
    /// - Parameter timeout: The time to wait for another holder, which may be stopped or on another machine.
    private static func lock(_ file: Int32, timeout: Duration) -> Attempt {
        let start = ContinuousClock.now
        var pause: UInt32 = 500
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            guard errno == EWOULDBLOCK else { return .failed(errno) }
            let isSignalled = TerminationSignals.received != nil
            let limit = isSignalled ? min(timeout, timeoutAfterSignal) : timeout
            guard ContinuousClock.now - start < limit else { return .held }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
        return .locked
    }

    /// Runs `body` while no other holder has the lock of a file that exists for its lock only. The file stays: removing it would
    /// let two holders lock two files of one name.
    ///
    /// - Throws: `FileError` if the file cannot be created or locked in this time, and what `body` throws.
    package static func withLock<Result>(
        _ path: String, timeout: Duration = .seconds(10), _ body: () throws -> Result
    ) throws -> Result {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw FileError.lastSystemError(path) }
        defer { close(file) }
        switch lock(file, timeout: timeout) {
        case .locked: return try body()
        case .failed(let code): throw FileError(path: path, reason: systemError(code))
        case .held:
            throw FileError(
                path: path, reason: "another process holds the lock; end it, or try again later")
        }
    }

    /// Runs `body`, which replaces a file, while no other process, and no other thread, replaces it. It takes well below a
    /// second. The lock is one on the file that is replaced, so that no other file is left.
    ///
    /// A file of a file system without locks, or one that cannot be opened, is replaced without a lock.
    ///
    /// - Parameters:
    ///   - path: The path of the file, which is no link.
    ///   - name: The path for the error.
    /// - Throws: `FileError` if another process keeps the lock, and what `body` throws.
    static func withLock<Result>(
        ofFile path: String, named name: String, timeout: Duration = .seconds(10),
        _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        while let file = openToLock(path) {
            defer { close(file) }
            switch lock(file, timeout: timeout) {
            case .failed: return try body()
            case .held: throw heldLock("another process holds a lock on it (flock)", name)
            // The file that was locked may have been replaced while this process waited for it.
            case .locked: if isFile(file, at: path) { return try body() }
            }
        }
        return try body()
    }

    /// Some network file systems have exclusive locks only for files that are open for writing.
    private static func openToLock(_ path: String) -> Int32? {
        for mode in [O_RDWR, O_WRONLY, O_RDONLY] {
            let file = open(path, mode | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
            if file >= 0 { return file }
        }
        return nil
    }

    private static func isFile(_ file: Int32, at path: String) -> Bool {
        var (locked, current) = (stat(), stat())
        return fstat(file, &locked) == 0 && lstat(path, &current) == 0
            && locked.st_ino == current.st_ino && locked.st_dev == current.st_dev
    }

    /// Runs `body` while no other process, and no other thread, runs one for a file in the same folder. `body` checks and
    /// renames a file. The lock is one on the folder itself, so that no file is left.
    ///
    /// If the file system has no locks, or the folder cannot be read, `body` runs without one.
    ///
    /// - Parameters:
    ///   - path: The path of the file, from an open folder.
    ///   - name: The path for the error.
    /// - Throws: `FileError` if another process keeps the lock, and what `body` throws.
    static func withFolderLock<Result>(
        for path: String, from folder: Int32 = AT_FDCWD, named name: String, timeout: Duration = .seconds(10),
        _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        let parent = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "./"
        // A lock of the open folder would be one of all threads that use it.
        let file = openat(folder, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { return try body() }
        defer { close(file) }
        switch lock(file, timeout: timeout) {
        case .locked, .failed: return try body()
        case .held: throw heldLock("another process holds the lock of its folder", name)
        }
    }

    private static func heldLock(_ problem: String, _ path: String) -> FileError {
        FileError(
            path: path,
            reason: "\(problem); it was not changed, run this again when that process has ended")
    }
}
