import Glibc

package enum FolderCreation {
    /// Creates the folder, and those that it is in, if they are missing.
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
                path: path, reason: code == EEXIST ? "\(folder) is \(kind?.phrase ?? "no folder")" : reason)
        }
    }
}
