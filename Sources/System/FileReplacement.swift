package import Cryptography
import Glibc

/// Replaces files whole: whoever reads one, at any moment and after any crash, finds the old bytes or the new
/// ones. A symbolic link stays a link; owner, group and permissions stay. Where a new file could not keep them, or
/// would part from its hard links, the old one is left as it is.
package enum FileReplacement {
    private static let suffix = ".secrets-bridge-tmp"

    /// Errors: the file changed since `stamp` was taken, or the folder or disk does not take a new one. The old
    /// file is as it was then, and nothing else is left behind.
    ///
    /// - Parameter mode: of the new file; nil keeps the permissions of the old one.
    package static func replace(
        _ path: String, with contents: borrowing SecretBytes, unchangedSince stamp: FileFingerprint,
        mode: UInt32? = nil
    ) throws(FileError) {
        let (target, info) = try examine(path)
        let temporary = temporaryPath(for: target)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw FileError(path: path, reason: noNewFile(lastSystemError()))
        }
        // Tells a run that cleans up that somebody is at work with it.
        _ = flock(file, LOCK_EX)
        defer { close(file) }
        do throws(FileError) {
            try contents.write(to: file, path)
            try keepOwner(info, file, path)
            guard fchmod(file, (mode ?? info.st_mode) & 0o7777) == 0, fsync(file) == 0 else {
                throw FileError(path: path, reason: lastSystemError())
            }
            guard FileFingerprint(path: target) == stamp else {
                throw FileError(
                    path: path,
                    reason: "somebody else changed it meanwhile; it was left as it is, run this again")
            }
            guard rename(temporary, target) == 0 else {
                throw FileError(path: path, reason: lastSystemError())
            }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// For who has much to do before a file is replaced.
    ///
    /// Errors: as of `replace`, as far as can be told without trying.
    package static func checkReplaceable(_ path: String) throws(FileError) {
        let (target, info) = try examine(path)
        // realpath(3) gives an absolute one.
        let folder = target.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(target[...$0]) } ?? "/"
        guard faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 else {
            throw FileError(path: path, reason: noNewFile(lastSystemError()))
        }
        guard geteuid() == 0 || info.st_uid == geteuid() else {
            throw FileError(path: path, reason: strangersFile(info))
        }
    }

    private static func noNewFile(_ reason: String) -> String {
        "no new file can be made beside it (\(reason)); its folder has to be writable"
    }

    private static func strangersFile(_ info: stat) -> String {
        "it belongs to user \(info.st_uid) and group \(info.st_gid), to whom this user cannot give a new file; run "
            + "this as its owner"
    }

    /// The file behind links, and what it is.
    private static func examine(_ path: String) throws(FileError) -> (target: String, info: stat) {
        let target = try resolve(path)
        var info = stat()
        guard stat(target, &info) == 0 else { throw FileError(path: path, reason: lastSystemError()) }
        if let reason = refusal(target, info) { throw FileError(path: path, reason: reason) }
        return (target, info)
    }

    /// Whether a file is what a run that was killed left behind.
    package static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(suffix) }

    /// Removes such a file, unless a run is at work with it.
    package static func removeAbandoned(_ path: String) {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        if flock(file, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
    }

    /// Why a file is not one to be replaced; nil: it is.
    private static func refusal(_ target: String, _ info: stat) -> String? {
        guard info.st_nlink == 1 else {
            return
                "it has \(info.st_nlink) hard links, and a new file would part from the others; make it one file"
        }
        // Root may write what nobody is meant to.
        guard info.st_mode & 0o222 != 0, faccessat(AT_FDCWD, target, W_OK, AT_EACCESS) == 0 else {
            return unwritableReason(info, for: geteuid())
        }
        return nil
    }

    /// Why `user` may not write a file. Only its owner and root may change its mode.
    static func unwritableReason(_ info: stat, for user: uid_t) -> String {
        user == 0 || info.st_uid == user
            ? "it is read-only; chmod u+w it, if it is to be changed" : strangersFile(info)
    }

    /// Only root may give files away; others may where it is theirs, to a group that they are in. A folder may give its
    /// own group to what is made in it, so the new file is asked.
    private static func keepOwner(_ old: stat, _ file: Int32, _ path: String) throws(FileError) {
        var new = stat()
        guard fstat(file, &new) == 0 else { throw FileError(path: path, reason: lastSystemError()) }
        guard new.st_uid != old.st_uid || new.st_gid != old.st_gid else { return }
        guard fchown(file, old.st_uid, old.st_gid) == 0 else {
            throw FileError(path: path, reason: strangersFile(old))
        }
    }

    private static func resolve(_ path: String) throws(FileError) -> String {
        guard let resolved = realpath(path, nil) else {
            throw FileError(path: path, reason: lastSystemError())
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    static func temporaryPath(for target: String) -> String {
        let slash = target.utf8.lastIndex(of: UInt8(ascii: "/")) ?? target.startIndex
        return target[...slash] + temporaryName(for: String(target[target.utf8.index(after: slash)...]))
    }

    static func temporaryName(for name: String) -> String {
        let unique = String(UInt64.random(in: 0 ... .max), radix: 36)
        return ".\(String(name.utf8.prefix(180)) ?? "file").\(unique)\(suffix)"
    }
}
