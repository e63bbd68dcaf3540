import Foundation
import TestSupport
import Testing

@testable import Cryptography
@testable import System

/// A replaced file gives no user or group more access than before.
struct AccessControlListTests {
    private let folder: TemporaryFolder
    private static let access = "system.posix_acl_access"
    private static let `default` = "system.posix_acl_default"

    init() throws { folder = try TemporaryFolder() }

    /// An ACL as the kernel stores it: the owner may write, user 1234 may read, the group nothing.
    private static func list(mask: UInt8) -> [UInt8] {
        func entry(_ tag: UInt8, _ permissions: UInt8, _ id: UInt32 = .max) -> [UInt8] {
            [tag, 0, permissions, 0] + withUnsafeBytes(of: id.littleEndian) { Array($0) }
        }
        return [2, 0, 0, 0] + entry(0x01, 6) + entry(0x02, 4, 1234) + entry(0x04, 0) + entry(0x10, mask)
            + entry(0x20, 0)
    }

    private func set(_ value: [UInt8], _ name: String, on path: String) throws -> Bool {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        do throws(FileError) {
            try AccessControlList.set(value, on: file, path, attribute: name)
            return true
        } catch {
            // A file system without ACLs, such as tmpfs of an old kernel.
            return false
        }
    }

    private func replace(_ path: String, mode: UInt32? = nil) throws {
        let fingerprint = try #require(FileFingerprint(path: path))
        try FileReplacement.replace(
            path, with: SecretBytes(copying: "new".utf8), unchangedSince: fingerprint, mode: mode)
    }

    private func mode(_ path: String) -> UInt32 {
        var info = stat()
        return stat(path, &info) == 0 ? info.st_mode & 0o7777 : 0
    }

    @Test func keepsTheACL() throws {
        let path = try folder.write("a.yaml", "old")
        chmod(path, 0o600)
        guard try set(Self.list(mask: 4), Self.access, on: path) else { return }
        #expect(mode(path) == 0o640)
        let before = try AccessControlList.read(path, named: path)
        try replace(path)
        #expect(try folder.read("a.yaml") == "new")
        #expect(try AccessControlList.read(path, named: path) == before)
        #expect(mode(path) == 0o640)
    }

    @Test func removesTheACLFromAFileForTheOwnerAlone() throws {
        let path = try folder.write("a.yaml", "old")
        guard try set(Self.list(mask: 4), Self.access, on: path) else { return }
        try replace(path, mode: 0o600)
        #expect(try AccessControlList.read(path, named: path) == nil)
        #expect(mode(path) == 0o600)
    }

    /// An ACL that cannot be read may be one that denies.
    @Test func takesNoOtherErrorForAFileWithoutACL() {
        let path = folder.path("missing")
        let error = #expect(throws: FileError.self) { try AccessControlList.read(path, named: "a.yaml") }
        #expect(error?.path == "a.yaml")
        #expect(error?.reason.hasPrefix("its POSIX ACL cannot be read") == true)
    }

    /// The kernel refuses to remove attributes of users from a device.
    @Test func removesNoAttributeFromAFileWithoutIt() throws {
        let file = open("/dev/null", O_WRONLY)
        defer { close(file) }
        try AccessControlList.set(nil, on: file, "a.yaml", attribute: "user.test")
    }

    /// The folder's default ACL would give user 1234 access to a file that it could not read.
    @Test func addsNoDefaultACL() throws {
        let path = try folder.write("a.yaml", "old")
        chmod(path, 0o640)
        guard try set(Self.list(mask: 4), Self.default, on: folder.path) else { return }
        try replace(path)
        #expect(try AccessControlList.read(path, named: path) == nil)
        #expect(mode(path) == 0o640)
    }
}
