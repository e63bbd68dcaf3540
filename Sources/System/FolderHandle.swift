package import Cryptography
import Glibc

/// A folder that is open. What is created in it is created there, whatever its path comes to mean meanwhile, and never
/// behind a symbolic link.
package final class FolderHandle: Sendable {
    package let path: String
    private let descriptor: Int32

    /// Opens a folder; symbolic links on the way are followed, as the path is the user's own.
    ///
    /// - Throws: `FileError` if it is missing or is no folder.
    package init(_ path: String) throws(FileError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
        self.path = path
    }

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private func path(of name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

    /// Opens a folder in this one, and creates it if it is missing.
    ///
    /// - Throws: `FileError` if a symbolic link or anything else that is no folder has that name.
    package func openOrCreateFolder(_ name: String) throws(FileError) -> FolderHandle {
        let path = path(of: name)
        try check(name)
        _ = mkdirat(descriptor, name, 0o777)
        let folder = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else {
            let code = errno
            throw FileError(
                path: path, reason: code == ENOTDIR || code == ELOOP ? notAFolder(path) : systemError(code))
        }
        return FolderHandle(path: path, descriptor: folder)
    }

    /// Creates a file whole: at any moment and after any crash there is none of that name, or one with all of its bytes.
    /// Returns false if something of that name exists; it stays as it is.
    ///
    /// - Throws: `FileError` if the folder or the disk does not accept it. Nothing is left behind then.
    package func create(_ name: String, with contents: borrowing SecretBytes) throws(FileError) -> Bool {
        let path = path(of: name)
        try check(name)
        let temporary = FileReplacement.temporaryName(for: name)
        let file = openat(
            descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
        // A run that cleans up leaves it alone while it is locked.
        _ = flock(file, LOCK_EX)
        defer {
            unlinkat(descriptor, temporary, 0)
            close(file)
        }
        try contents.write(to: file, path)
        guard fsync(file) == 0 else { throw FileError(path: path, reason: lastSystemError()) }
        // Unlike rename(2), link(2) replaces nothing.
        if linkat(descriptor, temporary, descriptor, name, 0) == 0 { return true }
        guard errno == EEXIST else { throw FileError(path: path, reason: lastSystemError()) }
        return false
    }

    private func notAFolder(_ path: String) -> String {
        switch try? FileKind(of: path) {
        case .folder: "\(path) is a symbolic link, which would lead elsewhere; replace it by a folder"
        case let kind?: "\(path) is \(kind.phrase)"
        case nil: "\(path) is not a folder"
        }
    }

    package func removeFile(_ name: String) { unlinkat(descriptor, name, 0) }

    /// A name that is a path would lead out of the folder.
    private func check(_ name: String) throws(FileError) {
        guard !name.isEmpty, name != ".", name != "..",
            !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
        else {
            throw FileError(path: path, reason: "\(name.debugDescription) is not the name of a file")
        }
    }
}
