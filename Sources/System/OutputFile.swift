package import Cryptography
import Glibc

/// A file that a command writes its result to: whole or not at all. Until `write` succeeds, an existing file keeps its
/// bytes, and none is created.
package struct OutputFile: Sendable {
    package enum Permissions: Sendable {
        /// A new file has what the umask leaves; an existing one keeps its own.
        case byUmask
        /// Only its owner may read the file, an existing one too.
        case ownerOnly
    }

    private enum Target: Sendable {
        case newFile
        case existingFile(FileFingerprint)
        /// A pipe or a character device, such as /dev/null. It takes the bytes as they come.
        case stream
        case descriptor(Int32)
    }

    private let path: String
    private let permissions: Permissions
    private let target: Target

    /// - Throws: `FileError` if nothing can be written there, as far as can be determined without trying. Commands check
    ///   this before they do their work.
    package init(_ path: String, permissions: Permissions) throws(FileError) {
        self.path = path
        self.permissions = permissions
        if let descriptor = DescriptorPath.fileDescriptor(path) {
            target = .descriptor(descriptor)
            return
        }
        switch try FileKind(of: path) {
        case .missing:
            try Self.checkFolder(of: path)
            target = .newFile
        case .file:
            try FileReplacement.checkReplaceable(path)
            guard let stamp = FileFingerprint(path: path) else {
                throw FileError(path: path, reason: lastSystemError())
            }
            target = .existingFile(stamp)
        case .other:
            guard Self.isStream(path) else {
                throw FileError(path: path, reason: "is neither a file nor a pipe; give the path of a file")
            }
            target = .stream
        case .folder:
            throw FileError(path: path, reason: "is a folder; give the path of a file")
        case .danglingSymlink:
            throw FileError(
                path: path,
                reason: "is a link to a file that does not exist; remove the link or create the file")
        }
    }

    /// - Throws: `FileError` if the folder or the disk does not accept the file, or another process changed it since `init`.
    ///   An existing file is as it was then, and nothing else is left behind.
    package func write(_ contents: borrowing SecretBytes) throws(FileError) {
        switch target {
        case .descriptor(let descriptor):
            try contents.write(to: descriptor, path)
        case .stream:
            let file = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC)
            guard file >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
            defer { close(file) }
            try contents.write(to: file, path)
        case .existingFile(let stamp):
            // The temporary file may hold plaintext: a signal does not leave it behind.
            try TerminationSignals.deferring { () throws(FileError) in
                try FileReplacement.replace(
                    path, with: contents, unchangedSince: stamp, mode: permissions == .ownerOnly ? 0o600 : nil
                )
            }
        case .newFile:
            try TerminationSignals.deferring { () throws(FileError) in try create(contents) }
        }
    }

    private func create(_ contents: borrowing SecretBytes) throws(FileError) {
        let temporary = FileReplacement.temporaryPath(for: Self.withFolder(path))
        let isOwnerOnly = permissions == .ownerOnly
        let file = open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, isOwnerOnly ? 0o600 : 0o666)
        guard file >= 0 else { throw FileError(path: path, reason: lastSystemError()) }
        // A run that cleans up leaves the file alone while it is locked.
        _ = flock(file, LOCK_EX)
        defer { close(file) }
        do throws(FileError) {
            try contents.write(to: file, path)
            guard fsync(file) == 0 else { throw FileError(path: path, reason: lastSystemError()) }
            guard case .missing = try FileKind(of: path) else {
                throw FileError(
                    path: path,
                    reason: "another process created it meanwhile; it was left as it is, run this again")
            }
            guard rename(temporary, path) == 0 else {
                throw FileError(path: path, reason: lastSystemError())
            }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func checkFolder(of path: String) throws(FileError) {
        guard !path.hasSuffix("/") else {
            throw FileError(path: path, reason: "is the path of a folder; give the path of a file")
        }
        let path = withFolder(path)
        let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "./"
        guard faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 else {
            throw FileError(path: path, reason: "no file can be created in \(folder) (\(lastSystemError()))")
        }
    }

    /// The path with a folder before the name.
    private static func withFolder(_ path: String) -> String {
        path.utf8.contains(UInt8(ascii: "/")) ? path : "./\(path)"
    }

    private static func isStream(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && [S_IFIFO, S_IFCHR].contains(info.st_mode & S_IFMT)
    }
}
