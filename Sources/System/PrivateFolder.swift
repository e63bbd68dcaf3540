import CLinux
package import Cryptography
import Glibc

/// A folder in memory that only this user can enter, for files that another program must read and no disk may hold.
/// `remove()` overwrites and removes its files. If this process is killed before, `removeAbandoned` of a later process does.
///
/// The folder is locked (flock(2)) while this object exists. The kernel releases the lock when the process ends in any way:
/// a folder without a lock is unused, even if the process id of its creator is in use again.
///
/// Caveats: the kernel may swap the memory out, and a program may write copies to other folders.
package final class PrivateFolder: Sendable {
    package let path: String
    private let descriptor: Int32

    private static let prefix = "secrets-bridge-edit-"
    /// The part of the name that mkdtemp(3) replaces.
    private static let placeholder = String(repeating: "X", count: 6)

    /// Creates a folder in the first of `parents` that is in memory.
    ///
    /// - Throws: `FileError` if no parent is in memory and writable.
    package init(in parents: [String]) throws(FileError) {
        for parent in parents where sb_is_in_memory(parent) == 1 {
            guard let (path, descriptor) = Self.create(in: parent) else { continue }
            self.path = path
            self.descriptor = descriptor
            return
        }
        throw FileError(
            path: parents.filter { !$0.isEmpty }.joined(separator: ", "),
            reason:
                "no writable folder is in memory (tmpfs); plaintext is not written to a disk")
    }

    deinit { close(descriptor) }

    private static func create(in parent: String) -> (path: String, descriptor: Int32)? {
        // An attempt fails only if `removeAbandoned` of another process locked the new folder first.
        for _ in 0..<64 {
            // mkdtemp(3) creates it for this user alone.
            var template = Array("\(parent)/\(prefix)\(placeholder)".utf8CString)
            guard mkdtemp(&template) != nil else { return nil }
            let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            var info = stat()
            if flock(descriptor, LOCK_EX) == 0, fstat(descriptor, &info) == 0, info.st_nlink > 0 {
                return (path, descriptor)
            }
            close(descriptor)
        }
        return nil
    }

    /// Writes a file that only this user can read.
    package func write(_ contents: borrowing SecretBytes, to name: String) throws(FileError) {
        let path = "\(path)/\(name)"
        let file = openat(descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .lastSystemError(path) }
        defer { close(file) }
        try contents.write(to: file, path)
    }

    /// Overwrites and removes the files, including those that other programs created, and removes the folder.
    package func remove() {
        FolderRemoval.empty(descriptor)
        rmdir(path)
    }

    /// Removes the folders of this user in `parents` whose processes were killed.
    package static func removeAbandoned(in parents: [String]) {
        for parent in Set(parents) where sb_is_in_memory(parent) == 1 {
            let descriptor = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            for name in FolderRemoval.names(in: descriptor)
            where name.hasPrefix(prefix) && name.utf8.count == (prefix + placeholder).utf8.count {
                removeAbandoned(name, in: descriptor)
            }
        }
    }

    private static func removeAbandoned(_ name: String, in parent: Int32) {
        let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { return }
        defer { close(folder) }
        var info = stat()
        // In a folder such as /dev/shm, other users can create folders of that name.
        guard fstat(folder, &info) == 0, info.st_uid == geteuid(), info.st_mode & 0o777 == 0o700,
            flock(folder, LOCK_EX | LOCK_NB) == 0
        else {
            return
        }
        FolderRemoval.empty(folder)
        unlinkat(parent, name, AT_REMOVEDIR)
    }
}

/// Removes the content of a folder through descriptors: a symbolic link is removed and never followed.
private enum FolderRemoval {
    /// Deeper than any program nests its temporary folders.
    private static let maximumDepth = 32

    static func empty(_ folder: Int32, depth: Int = 0) {
        guard depth < maximumDepth else { return }
        for name in names(in: folder) {
            let inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if inner >= 0 {
                empty(inner, depth: depth + 1)
                close(inner)
                unlinkat(folder, name, AT_REMOVEDIR)
            } else {
                overwrite(name, in: folder)
                unlinkat(folder, name, 0)
            }
        }
    }

    static func names(in folder: Int32) -> [String] {
        // closedir(3) closes the descriptor that fdopendir(3) was given.
        let copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { return [] }
        guard let listing = fdopendir(copy) else {
            close(copy)
            return []
        }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func overwrite(_ name: String, in folder: Int32) {
        // Without O_NONBLOCK, opening a pipe that an editor left would block.
        let file = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return }
        let zeros = [UInt8](repeating: 0, count: 64 * 1024)
        var left = Int(info.st_size)
        while left > 0 {
            let count = Glibc.write(file, zeros, min(left, zeros.count))
            guard count > 0 else { return }
            left -= count
        }
    }
}
