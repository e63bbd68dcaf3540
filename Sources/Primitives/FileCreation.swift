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

    /// Makes the folder, and those that it is in, where they are not there.
    package static func makeFolder(_ path: String) throws(FileError) {
        var end = path.startIndex
        while end < path.endIndex {
            end = path.utf8[path.utf8.index(after: end)...].firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
            let folder = String(path[..<end])
            if mkdir(folder, 0o777) == 0 { continue }
            let (code, reason) = (errno, lastSystemError())
            let kind = try? FileKind(of: folder)
            if case .folder = kind { continue }
            throw FileError(
                path: path, reason: code == EEXIST ? "\(folder) is \(kind?.text ?? "no folder")" : reason)
        }
    }
}
