package import Cryptography
import Glibc

/// An open folder. Files are created in this very folder, even if its path meanwhile refers to another one, and never
/// through a symbolic link.
package final class FolderHandle: Sendable {
    package let path: String
    private let descriptor: Int32

    /// Opens a folder. Symbolic links in the path are followed, because the path is the user's own.
    ///
    /// - Throws: `FileError` if it is missing or is not a folder.
    package init(_ path: String) throws(FileError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .lastSystemError(path) }
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
    /// - Throws: `FileError` if a symbolic link or anything else that is not a folder has that name.
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

    /// Creates a file atomically: at any moment and after any crash the file is missing or has all of its bytes.
    ///
    /// - Returns: false if something of that name exists, which is not changed.
    /// - Throws: `FileError` if the folder or the disk does not accept the file. No temporary file is left then.
    package func create(_ name: String, with contents: borrowing SecretBytes) throws(FileError) -> Bool {
        try check(name)
        // A signal must not leave the temporary file behind.
        return try TerminationSignals.deferring { () throws(FileError) in try writeAndRename(name, contents) }
    }

    private func writeAndRename(
        _ name: String, _ contents: borrowing SecretBytes
    ) throws(FileError) -> Bool {
        let path = path(of: name)
        let temporary = TemporaryFile.newName(for: name)
        let file = openat(
            descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw .lastSystemError(path) }
        var isRenamed = false
        defer {
            if !isRenamed { unlinkat(descriptor, temporary, 0) }
            close(file)
        }
        guard TemporaryFile.lock(file) else {
            throw FileError(path: path, reason: "another process removed its temporary file; run this again")
        }
        try contents.write(to: file, path)
        guard fsync(file) == 0 else { throw .lastSystemError(path) }
        isRenamed = try TemporaryFile.rename(temporary, toNew: name, in: descriptor, named: path)
        return isRenamed
    }

    private func notAFolder(_ path: String) -> String {
        switch try? FileKind(of: path) {
        case .folder: "\(path) is a symbolic link, which could lead to another folder; replace it by a folder"
        case let kind?: "\(path) is \(kind.phrase)"
        case nil: "\(path) is not a folder"
        }
    }

    package func removeFile(_ name: String) { unlinkat(descriptor, name, 0) }

    /// Rejects a name that is a path, which would lead out of the folder.
    private func check(_ name: String) throws(FileError) {
        guard !name.isEmpty, name != ".", name != "..",
            !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 })
        else {
            throw FileError(path: path, reason: "\(name.debugDescription) is not the name of a file")
        }
    }
}

package enum FolderCreation {
    /// Creates a folder and its missing parents.
    package static func createFolderAndParents(_ path: String) throws(FileError) {
        var end = path.startIndex
        while end < path.endIndex {
            end = path.utf8[path.utf8.index(after: end)...].firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
            let folder = String(path[..<end])
            if mkdir(folder, 0o777) == 0 { continue }
            let (code, reason) = (errno, lastSystemError())
            let kind = try? FileKind(of: folder)
            if case .folder = kind { continue }
            throw FileError(
                path: path, reason: code == EEXIST ? "\(folder) is \(kind?.phrase ?? "not a folder")" : reason
            )
        }
    }
}
