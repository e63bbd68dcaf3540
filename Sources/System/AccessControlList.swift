import CLinux
import Glibc

/// The POSIX access ACL of a file, as the kernel stores it in an extended attribute. A file with an ACL shows the ACL's mask
/// as the permissions of its group.
enum AccessControlList {
    static let access = "system.posix_acl_access"

    /// The errors of a file without this attribute, and of a file system without attributes.
    private static let absent = [ENODATA, EOPNOTSUPP, ENOSYS]

    /// Returns the ACL of a file, or nil if it has none or its file system knows none.
    ///
    /// - Parameter name: the path for the error.
    /// - Throws: `FileError` if the ACL cannot be read. A new file without it would give other users access.
    static func read(_ path: String, named name: String) throws(FileError) -> [UInt8]? {
        // The kernel accepts attributes of up to 64 KiB.
        var value = [UInt8](repeating: 0, count: 64 * 1024)
        let count = getxattr(path, access, &value, value.count)
        guard count >= 0 || absent.contains(errno) else {
            throw FileError(
                path: name,
                reason: "its POSIX ACL cannot be read (\(lastSystemError())), so a new file could not keep it"
            )
        }
        return count > 0 ? Array(value[..<count]) : nil
    }

    /// Gives a new file this ACL. Without one, it removes the ACL that the file has from its folder (a default ACL).
    ///
    /// - Parameter path: the path for the error.
    /// - Throws: `FileError` if the file system does not accept the ACL.
    static func set(
        _ value: [UInt8]?, on file: Int32, _ path: String, attribute: String = access
    ) throws(FileError) {
        guard let value else {
            // A file system may refuse to remove an attribute that the file does not have.
            if fgetxattr(file, attribute, nil, 0) < 0, absent.contains(errno) { return }
            guard fremovexattr(file, attribute) != 0, !absent.contains(errno) else { return }
            throw FileError(
                path: path,
                reason: "the ACL of its folder cannot be removed from a new file (\(lastSystemError()))")
        }
        guard fsetxattr(file, attribute, value, value.count, 0) == 0 else {
            throw FileError(
                path: path,
                reason:
                    "has a POSIX ACL, which a new file cannot keep (\(lastSystemError())); remove it with "
                    + "setfacl -b")
        }
    }
}
