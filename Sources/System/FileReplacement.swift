package import Cryptography
import Glibc

/// Replaces files atomically: a reader finds the old bytes or the new ones, at any moment and after any crash. A symbolic
/// link stays a link; owner, group, permissions and the POSIX ACL are kept. A file that could not keep them, or that has
/// several hard links, is not replaced.
package enum FileReplacement {
    /// - Parameters:
    ///   - fingerprint: the version of the file that may be replaced.
    ///   - mode: the permissions of the new file, or nil to keep those of the old one.
    /// - Throws: `FileError` if the file has another version, or the folder or disk does not accept a new file. The old file
    ///   is unchanged then, and no temporary file is left.
    package static func replace(
        _ path: String, with contents: borrowing SecretBytes, unchangedSince fingerprint: FileFingerprint,
        mode: UInt32? = nil
    ) throws(FileError) {
        // The temporary file may hold plaintext, which a signal must not leave behind.
        try TerminationSignals.deferring { () throws(FileError) in
            try writeAndRename(path, contents, fingerprint, mode)
        }
    }

    private static func writeAndRename(
        _ path: String, _ contents: borrowing SecretBytes, _ fingerprint: FileFingerprint, _ mode: UInt32?
    ) throws(FileError) {
        let (target, info) = try examine(path)
        guard let (temporary, file) = TemporaryFile.create(for: target, mode: 0o600) else {
            throw FileError(path: path, reason: cannotCreate(lastSystemError()))
        }
        defer { close(file) }
        do throws(FileError) {
            try contents.write(to: file, path)
            try keepOwner(info, file, path)
            // A mode without the ACL would give the owning group what the ACL's mask allows.
            try AccessControlList.set(
                mode == nil ? AccessControlList.read(target, named: path) : nil, on: file, path)
            guard fchmod(file, (mode ?? info.st_mode) & 0o7777) == 0, fsync(file) == 0 else {
                throw .lastSystemError(path)
            }
            // Without the lock, two processes could both find the old version and rename their files over it.
            try FileLock.withLock(ofFile: target, named: path) { () throws(FileError) in
                guard FileFingerprint(path: target) == fingerprint, isUnchanged(target, since: info) else {
                    throw FileError(
                        path: path,
                        reason:
                            "another process has changed it meanwhile; it was not replaced, run this again"
                    )
                }
                guard rename(temporary, target) == 0 else {
                    throw FileError(path: path, reason: renameFailure(errno))
                }
            }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Returns whether the owner, the permissions and the ACL of a file are those that the new file got. The kernel changes
    /// this time with each of them.
    private static func isUnchanged(_ target: String, since info: stat) -> Bool {
        var now = stat()
        return stat(target, &now) == 0 && now.st_ctim.tv_sec == info.st_ctim.tv_sec
            && now.st_ctim.tv_nsec == info.st_ctim.tv_nsec
    }

    static func renameFailure(_ code: Int32) -> String {
        code == EBUSY ? "is a mount point, which cannot be replaced; mount its folder" : systemError(code)
    }

    /// Removes the temporary files that killed processes left beside a file, also if the path is a link to it.
    static func removeAbandoned(beside path: String) {
        if let target = try? resolve(path) { TemporaryFile.removeAbandoned(of: target) }
    }

    /// Checks whether a file can be replaced, so that a command can fail before it does its work.
    ///
    /// - Throws: the error of `replace`, as far as it can be determined without writing.
    package static func checkReplaceable(_ path: String) throws(FileError) {
        let (target, info) = try examine(path)
        // realpath(3) returns an absolute path.
        let folder = target.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(target[...$0]) } ?? "/"
        guard faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 else {
            throw FileError(path: path, reason: cannotCreate(lastSystemError()))
        }
        guard geteuid() == 0 || info.st_uid == geteuid() else {
            throw FileError(path: path, reason: differentOwner(info))
        }
    }

    private static func cannotCreate(_ reason: String) -> String {
        "cannot create a file in its folder (\(reason)); make the folder writable"
    }

    private static func differentOwner(_ info: stat) -> String {
        "is owned by user \(info.st_uid) and group \(info.st_gid), which a new file of this user cannot keep; run "
            + "this as its owner"
    }

    /// Returns the file that the path refers to and its status.
    private static func examine(_ path: String) throws(FileError) -> (target: String, info: stat) {
        let target = try resolve(path)
        var info = stat()
        guard stat(target, &info) == 0 else { throw .lastSystemError(path) }
        if let reason = problem(target, info) { throw FileError(path: path, reason: reason) }
        return (target, info)
    }

    /// Returns why a file must not be replaced, or nil if it can be.
    private static func problem(_ target: String, _ info: stat) -> String? {
        guard info.st_mode & S_IFMT == S_IFREG else {
            return "is not a regular file and cannot be replaced; give the path of a file"
        }
        guard info.st_nlink == 1 else {
            return
                "has \(info.st_nlink) hard links, and a new file would replace only one of them; copy the file"
        }
        // faccessat(2) lets root write read-only files.
        guard info.st_mode & 0o222 != 0 else { return unwritableReason(info, for: geteuid()) }
        guard faccessat(AT_FDCWD, target, W_OK, AT_EACCESS) == 0 else {
            return unwritableReason(info, for: geteuid(), code: errno)
        }
        return nil
    }

    /// Returns why `user` cannot write a file. Only its owner and root can change its mode.
    ///
    /// - Parameter code: the error of access(2).
    static func unwritableReason(_ info: stat, for user: uid_t, code: Int32 = EACCES) -> String {
        if code == EROFS { return "is on a read-only file system; copy the file to another one" }
        guard user == 0 || info.st_uid == user else { return differentOwner(info) }
        // The file may be immutable (chattr +i).
        guard code == EACCES else { return "cannot be written (\(systemError(code)))" }
        return "is read-only; run chmod u+w to make it writable"
    }

    /// Gives the new file the owner and group of the old one, unless it has them already: a folder may pass its group on to
    /// new files. Only root can change the owner; the owner can choose a group that it is in.
    private static func keepOwner(_ old: stat, _ file: Int32, _ path: String) throws(FileError) {
        var new = stat()
        guard fstat(file, &new) == 0 else { throw .lastSystemError(path) }
        guard new.st_uid != old.st_uid || new.st_gid != old.st_gid else { return }
        guard fchown(file, old.st_uid, old.st_gid) == 0 else {
            throw FileError(path: path, reason: differentOwner(old))
        }
    }

    private static func resolve(_ path: String) throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else { throw .lastSystemError(path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
