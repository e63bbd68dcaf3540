import CLinux
import Glibc

/// The POSIX access ACL of a file, as the kernel stores it in an extended attribute. A file with an ACL shows the ACL's mask
/// as the permissions of its group.
enum AccessControlList {
    static let access = "system.posix_acl_access"

    /// Returns the ACL of a file, or nil if it has none or its file system knows none.
    static func read(_ path: String) -> [UInt8]? {
        // The kernel accepts attributes of up to 64 KiB.
        var value = [UInt8](repeating: 0, count: 64 * 1024)
        let count = getxattr(path, access, &value, value.count)
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
            guard fremovexattr(file, attribute) != 0, ![ENODATA, EOPNOTSUPP, ENOSYS].contains(errno) else {
                return
            }
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
