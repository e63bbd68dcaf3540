import Foundation
import TestSupport
import Testing

@testable import Cryptography
@testable import System

struct FileReplacementTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func keepsPermissionsAndLinks() throws {
        let path = try folder.write("a.yaml", "old")
        chmod(path, 0o640)
        let link = try folder.link("link.yaml", to: "a.yaml")
        let fingerprint = try #require(FileFingerprint(path: link))
        try FileReplacement.replace(link, with: SecretBytes(copying: "new".utf8), unchangedSince: fingerprint)
        #expect(try folder.read("a.yaml") == "new")
        var info = stat()
        #expect(lstat(link, &info) == 0)
        #expect(info.st_mode & S_IFMT == S_IFLNK)
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o7777 == 0o640)
        #expect(try folder.names == ["a.yaml", "link.yaml"])
    }

    private func replacing(_ path: String) throws {
        let fingerprint = try #require(FileFingerprint(path: path))
        try FileReplacement.replace(path, with: SecretBytes(copying: "new".utf8), unchangedSince: fingerprint)
    }

    @Test func doesNotReplaceAFileWithHardLinks() throws {
        let path = try folder.write("a.yaml", "old")
        #expect(link(path, folder.path("b.yaml")) == 0)
        let error = #expect(throws: FileError.self) { try replacing(path) }
        #expect(error?.reason.contains("2 hard links") == true)
        #expect(try folder.read("a.yaml") == "old")
        #expect(try folder.names == ["a.yaml", "b.yaml"])
    }

    @Test func doesNotReplaceAReadOnlyFile() throws {
        let path = try folder.write("a.yaml", "old")
        chmod(path, 0o444)
        let error = #expect(throws: FileError.self) { try replacing(path) }
        #expect(error?.reason.contains("read-only") == true)
        #expect(try folder.read("a.yaml") == "old")
        #expect(try folder.names == ["a.yaml"])
    }

    @Test func reportsTheOwnerOfAnotherUsersFile() {
        var info = stat()
        info.st_uid = 1234
        info.st_mode = 0o644
        #expect(FileReplacement.unwritableReason(info, for: 1000).hasPrefix("is owned by user 1234 "))
        #expect(FileReplacement.unwritableReason(info, for: 1234).hasPrefix("is read-only; run chmod u+w"))
    }

    @Test func namesTheCauseOfAFileThatIsNotWritable() {
        var info = stat()
        info.st_uid = 1234
        info.st_mode = 0o644
        for user: uid_t in [0, 1000, 1234] {
            let reason = FileReplacement.unwritableReason(info, for: user, code: EROFS)
            #expect(reason.hasPrefix("is on a read-only file system"))
        }
        #expect(FileReplacement.unwritableReason(info, for: 0, code: EPERM).contains("not permitted"))
    }

    @Test func doesNotReplaceAPipe() throws {
        let path = folder.path("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        let error = #expect(throws: FileError.self) { try replacing(path) }
        #expect(error?.reason.hasPrefix("is not a regular file") == true)
        #expect(try folder.names == ["pipe"])
    }

    @Test(.enabled(if: geteuid() == 0, "needs root to change the owner of a file"))
    func keepsOwnerAndGroup() throws {
        let path = try folder.write("a.yaml", "old")
        #expect(chown(path, 1234, 4321) == 0)
        // A folder that gives its own group to new files.
        #expect(chown(folder.path, 0, 999) == 0)
        #expect(chmod(folder.path, 0o2755) == 0)
        try replacing(path)
        var info = stat()
        #expect(stat(path, &info) == 0)
        #expect(info.st_uid == 1234)
        #expect(info.st_gid == 4321)
        let own = try folder.write("b.yaml", "old")
        #expect(chown(own, 0, 0) == 0)
        try replacing(own)
        #expect(stat(own, &info) == 0)
        #expect(info.st_uid == 0)
        #expect(info.st_gid == 0)
    }

    @Test func doesNotReplaceAChangedFile() throws {
        let path = try folder.write("a.yaml", "old")
        let fingerprint = try #require(FileFingerprint(path: path))
        try folder.write("a.yaml", "theirs")
        #expect(throws: FileError.self) {
            try FileReplacement.replace(
                path, with: SecretBytes(copying: "new".utf8), unchangedSince: fingerprint)
        }
        #expect(try folder.read("a.yaml") == "theirs")
        #expect(try folder.names == ["a.yaml"])
    }

    @Test func removesAbandonedTemporaryFilesUnlessTheyAreLocked() throws {
        let abandoned = try folder.write(".a.yaml.1.secrets-bridge-tmp", "half")
        let used = try folder.write(".b.yaml.2.secrets-bridge-tmp", "half")
        let descriptor = open(used, O_RDONLY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        for path in [abandoned, used] {
            #expect(FileReplacement.isTemporary(String(path.split(separator: "/").last ?? "")))
            FileReplacement.removeAbandoned(path)
        }
        #expect(try folder.names == [".b.yaml.2.secrets-bridge-tmp"])
        #expect(!FileReplacement.isTemporary("a.yaml"))
    }
}
