import Glibc

/// Makes files whole: at any moment and after any crash there is none under the name, or one with all of its bytes.
package enum FileCreation {
    /// False: something of that name is there, and stays as it is.
    ///
    /// Errors: the folder or the disk does not take it. Nothing is left behind then.
    package static func create(
        _ path: String, with contents: borrowing SecretBytes
    ) throws(FileError) -> Bool {
        let temporary = FileReplacement.temporaryPath(for: path)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
        // Tells a run that cleans up that somebody is at work with it.
        _ = flock(file, LOCK_EX)
        defer {
            unlink(temporary)
            close(file)
        }
        try contents.write(to: file, path)
        guard fsync(file) == 0 else { throw FileError(path: path, reason: lastSystemError()) }
        // Unlike rename(2) it takes nobody's place.
        if link(temporary, path) == 0 { return true }
        guard errno == EEXIST else { throw FileError(path: path, reason: lastSystemError()) }
        return false
    }
}
