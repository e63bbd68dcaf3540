import CLinux
import Glibc

/// The temporary files that become other files by a rename, so that these are complete at any moment: `.NAME.ID.secrets-bridge-tmp`
/// beside `NAME`.
///
/// A temporary file is locked (flock(2)) while its process writes it. The kernel releases the lock when the process ends in any
/// way: a temporary file without a lock is abandoned. It may hold plaintext.
package enum TemporaryFile {
    private static let suffix = ".secrets-bridge-tmp"

    /// Returns whether a file name is that of a temporary file, which a killed process leaves behind.
    package static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(suffix) }

    /// Creates a temporary file, which is locked.
    ///
    /// - Parameters:
    ///   - target: The path of the file. It contains a slash.
    ///   - mode: The permissions, which the umask limits.
    /// - Returns: The path and the descriptor, or nil if it cannot be created; errno is the reason.
    static func create(for target: String, mode: UInt32) -> (path: String, file: Int32)? {
        let (folder, name) = split(target)
        // An attempt fails only if another process took the new file for an abandoned one before it was locked.
        for _ in 0..<64 {
            let path = folder + newName(for: name)
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
            guard file >= 0 else { return nil }
            if lock(file) { return (path, file) }
            close(file)
        }
        errno = EBUSY
        return nil
    }

    /// Locks a new file, unless another process has removed it meanwhile.
    static func lock(_ file: Int32) -> Bool {
        // A file system without locks has no abandoned files either.
        _ = flock(file, LOCK_EX)
        var info = stat()
        return fstat(file, &info) == 0 && info.st_nlink > 0
    }

    /// Gives a temporary file its name, unless something has that name. rename(2) would replace it.
    ///
    /// - Parameters:
    ///   - folder: The open folder that both paths begin at.
    ///   - name: The path for the error.
    /// - Returns: false if something has that name.
    static func rename(
        _ temporary: String, toNew path: String, in folder: Int32 = AT_FDCWD, named name: String
    ) throws(FileError) -> Bool {
        if sb_rename_without_replacing(folder, temporary, path) == 0 { return true }
        if errno == EEXIST { return false }
        // NFS has links in its place.
        if linkat(folder, temporary, folder, path, 0) == 0 {
            unlinkat(folder, temporary, 0)
            return true
        }
        if errno == EEXIST { return false }
        return try renameWithLock(temporary, toNew: path, in: folder, named: name)
    }

    /// Does the same on a file system without links. Another machine may create the file between the check and the rename.
    static func renameWithLock(
        _ temporary: String, toNew path: String, in folder: Int32 = AT_FDCWD, named name: String
    ) throws(FileError) -> Bool {
        try FileLock.withFolderLock(for: path, from: folder, named: name) { () throws(FileError) in
            var info = stat()
            if fstatat(folder, path, &info, AT_SYMLINK_NOFOLLOW) == 0 { return false }
            guard errno == ENOENT, renameat(folder, temporary, folder, path) == 0 else {
                throw .lastSystemError(name)
            }
            return true
        }
    }

    /// Removes a temporary file, unless the process that created it is still running.
    package static func removeAbandoned(_ path: String) {
        guard let file = openFile(path) else { return }
        defer { close(file) }
        if flock(file, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
    }

    /// Returns whether a temporary file exists, and no process writes it.
    package static func isAbandoned(_ path: String) -> Bool {
        guard let file = openFile(path) else { return errno == EACCES }
        defer { close(file) }
        // On a file system without locks, it may be abandoned.
        return flock(file, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK
    }

    /// Opens a regular file without following a symbolic link and without waiting for the writer of a pipe.
    private static func openFile(_ path: String) -> Int32? {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        var info = stat()
        if fstat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG { return file }
        close(file)
        errno = ENOENT
        return nil
    }

    /// Removes the abandoned temporary files of a target. It reads the whole folder, so a command that writes many files of one
    /// does not call it for each.
    static func removeAbandoned(of target: String) {
        let (folder, name) = split(target)
        guard let listing = opendir(folder) else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let found = String(validating: bytes, as: UTF8.self), isTemporary(found, of: name) else {
                continue
            }
            removeAbandoned(folder + found)
        }
    }

    /// Returns whether `found` is the name of a temporary file of `name`, and not of a longer name that begins alike.
    private static func isTemporary(_ found: String, of name: String) -> Bool {
        let start = prefix(for: name)
        guard found.hasPrefix(start), found.hasSuffix(suffix) else { return false }
        let id = found.utf8.dropFirst(start.utf8.count).dropLast(suffix.utf8.count)
        return !id.isEmpty && id.allSatisfy(\.isASCIILetterOrDigit)
    }

    static func newName(for name: String) -> String {
        prefix(for: name) + String(UInt64.random(in: 0 ... .max), radix: 36) + suffix
    }

    private static func prefix(for name: String) -> String {
        ".\(String(name.utf8.prefix(180)) ?? "file")."
    }

    private static func split(_ target: String) -> (folder: String, name: String) {
        let slash = target.utf8.lastIndex(of: UInt8(ascii: "/")) ?? target.startIndex
        return (String(target[...slash]), String(target[target.utf8.index(after: slash)...]))
    }
}
