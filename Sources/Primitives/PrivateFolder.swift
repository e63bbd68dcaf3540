import CLinux
import Glibc

/// A folder in memory that only this user can enter, for files that a program wants to see and no disk may. What is in
/// it is overwritten and removed with `remove()`; where this process is killed before, the next start of the machine
/// removes it.
///
/// Caveats: memory that is scarce may be swapped out; a program may put copies elsewhere.
package struct PrivateFolder: Sendable {
    package let path: String

    /// Errors: no folder of `parents` is in memory and lets us make another in it.
    package init(in parents: [String]) throws(FileError) {
        for parent in parents where sb_is_in_memory(parent) == 1 {
            // mkdtemp(3) makes it for this user alone, under a name of its choice in the place of six X.
            let choice = String(repeating: "X", count: 6)
            var template = Array("\(parent)/secrets-bridge-\(choice)".utf8CString)
            if mkdtemp(&template) != nil {
                path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
                return
            }
        }
        throw FileError(
            path: parents.filter { !$0.isEmpty }.joined(separator: ", "),
            reason:
                "no folder there is in memory (tmpfs) and can be written; a disk is not used for plaintext")
    }

    /// Writes a file that only this user can read.
    package func write(_ contents: borrowing SecretBytes, to name: String) throws(FileError) {
        let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileError(path: "\(path)/\(name)", reason: lastSystemError()) }
        defer { close(file) }
        try contents.write(to: file, "\(path)/\(name)")
    }

    /// Overwrites and removes the files in it, those that other programs made too, and the folder.
    package func remove() { Self.remove(path) }

    private static func remove(_ folder: String) {
        guard let listing = opendir(folder) else { return }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        closedir(listing)
        for name in names {
            let path = "\(folder)/\(name)"
            var info = stat()
            guard lstat(path, &info) == 0 else { continue }
            if info.st_mode & S_IFMT == S_IFDIR {
                remove(path)
            } else {
                overwrite(path, info)
                unlink(path)
            }
        }
        rmdir(folder)
    }

    private static func overwrite(_ path: String, _ info: stat) {
        guard info.st_mode & S_IFMT == S_IFREG else { return }
        let file = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        let zeros = [UInt8](repeating: 0, count: 64 * 1024)
        var left = Int(info.st_size)
        while left > 0 {
            let count = Glibc.write(file, zeros, min(left, zeros.count))
            guard count > 0 else { return }
            left -= count
        }
    }
}
