package import Cryptography
import Glibc

/// A file that a command writes its result to, atomically. Until `write` succeeds, an existing file keeps its bytes,
/// and a missing one is not created.
package struct OutputFile: Sendable {
    package enum Permissions: Sendable {
        /// A new file gets the permissions that the umask leaves; an existing one keeps its own.
        case byUmask
        /// Only the owner can read the file, even if it exists already with other permissions.
        case ownerOnly
    }

    private enum Target: Sendable {
        case newFile
        case existingFile(FileFingerprint)
        /// A pipe or a character device, such as /dev/null. It receives the bytes directly.
        case stream
        /// An open descriptor that the path names, such as /dev/stdout.
        case descriptor(Int32)
    }

    private let path: String
    private let permissions: Permissions
    private let target: Target

    /// Checks the path, so that a command can fail before it does its work.
    ///
    /// - Throws: `FileError` if nothing can be written there, as far as that can be determined without writing.
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
            guard let fingerprint = FileFingerprint(path: path) else { throw .lastSystemError(path) }
            target = .existingFile(fingerprint)
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

    /// - Throws: `FileError` if the folder or the disk does not accept the file, or another process changed it since
    ///   `init`. An existing file is unchanged then, and no temporary file is left.
    package func write(_ contents: borrowing SecretBytes) throws(FileError) {
        switch target {
        case .descriptor(let descriptor):
            try contents.write(to: descriptor, path)
        case .stream:
            let file = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC)
            guard file >= 0 else { throw .lastSystemError(path) }
            defer { close(file) }
            try contents.write(to: file, path)
        case .existingFile(let fingerprint):
            FileReplacement.removeAbandoned(beside: path)
            try FileReplacement.replace(
                path, with: contents, unchangedSince: fingerprint,
                mode: permissions == .ownerOnly ? 0o600 : nil)
        case .newFile:
            TemporaryFile.removeAbandoned(of: Self.withFolder(path))
            try TerminationSignals.deferring { () throws(FileError) in try create(contents) }
        }
    }

    private func create(_ contents: borrowing SecretBytes) throws(FileError) {
        let mode: UInt32 = permissions == .ownerOnly ? 0o600 : 0o666
        guard let (temporary, file) = TemporaryFile.create(for: Self.withFolder(path), mode: mode) else {
            throw .lastSystemError(path)
        }
        defer { close(file) }
        do throws(FileError) {
            try contents.write(to: file, path)
            guard fsync(file) == 0 else { throw .lastSystemError(path) }
            guard try TemporaryFile.rename(temporary, toNew: Self.withFolder(path), named: path) else {
                throw FileError(
                    path: path,
                    reason: "another process created it in the meantime; it was not changed, run this again")
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

    /// Returns the path with `./` before a bare file name.
    private static func withFolder(_ path: String) -> String {
        path.utf8.contains(UInt8(ascii: "/")) ? path : "./\(path)"
    }

    private static func isStream(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && [S_IFIFO, S_IFCHR].contains(info.st_mode & S_IFMT)
    }
}
