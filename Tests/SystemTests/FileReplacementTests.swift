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

    /// A container mounts single files.
    @Test func namesTheRemedyForAMountPoint() {
        #expect(
            FileReplacement.renameFailure(EBUSY)
                == "is a mount point, which cannot be replaced; mount its folder")
        #expect(FileReplacement.renameFailure(ENOSPC) == "No space left on device")
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
            #expect(TemporaryFile.isTemporary(String(path.split(separator: "/").last ?? "")))
            TemporaryFile.removeAbandoned(path)
        }
        #expect(try folder.names == [".b.yaml.2.secrets-bridge-tmp"])
        #expect(!TemporaryFile.isTemporary("a.yaml"))
    }

    @Test func neitherWaitsForAPipeNorFollowsALink() throws {
        let pipe = folder.path(".a.yaml.1.secrets-bridge-tmp")
        #expect(mkfifo(pipe, 0o600) == 0)
        let target = try folder.write("b.yaml", "kept")
        let link = try folder.link(".a.yaml.2.secrets-bridge-tmp", to: "b.yaml")
        for path in [pipe, link] {
            #expect(!TemporaryFile.isAbandoned(path))
            TemporaryFile.removeAbandoned(path)
        }
        #expect(FileManager.default.fileExists(atPath: pipe))
        #expect(FileManager.default.fileExists(atPath: target))
    }

    /// A killed run leaves plaintext, which the next one for the same file removes.
    @Test func removesAbandonedFilesOfItsTarget() throws {
        try folder.write("a.yaml", "old")
        let kept = [
            ".a.yaml.bak.1.secrets-bridge-tmp", ".b.yaml.1.secrets-bridge-tmp",
            ".a.yaml.2.secrets-bridge-tmp",
            ".a.yaml..secrets-bridge-tmp", "a.yaml.1.secrets-bridge-tmp",
        ]
        for name in kept + [".a.yaml.1.secrets-bridge-tmp", ".a.yaml.1zz.secrets-bridge-tmp"] {
            try folder.write(name, "half")
        }
        let used = open(folder.path(".a.yaml.2.secrets-bridge-tmp"), O_RDONLY)
        defer { close(used) }
        #expect(flock(used, LOCK_EX) == 0)
        #expect(!TemporaryFile.isAbandoned(folder.path(".a.yaml.2.secrets-bridge-tmp")))
        #expect(TemporaryFile.isAbandoned(folder.path(".a.yaml.1.secrets-bridge-tmp")))
        // Through a link too, whose target the temporary files are beside.
        try folder.link("link.yaml", to: "a.yaml")
        try OutputFile(folder.path("link.yaml"), permissions: .ownerOnly).write(
            SecretBytes(copying: "new".utf8))
        #expect(try folder.names == (kept + ["a.yaml", "link.yaml"]).sorted())
        try folder.write(".new.1.secrets-bridge-tmp", "half")
        try OutputFile(folder.path("new"), permissions: .ownerOnly).write(SecretBytes(copying: "x".utf8))
        #expect(try folder.names == (kept + ["a.yaml", "link.yaml", "new"]).sorted())
    }

    @Test func noticesThatANewFileWasTakenForAnAbandonedOne() throws {
        let path = try folder.write(".a.yaml.1.secrets-bridge-tmp", "")
        let file = open(path, O_WRONLY)
        defer { close(file) }
        TemporaryFile.removeAbandoned(path)
        #expect(!TemporaryFile.lock(file))
    }

    /// Processes that write different versions of a file do not take the temporary file of another for an abandoned one.
    @Test func manyWritersDoNotRemoveEachOthersFiles() async throws {
        let path = folder.path("a.yaml")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<200 {
                        guard let (temporary, file) = TemporaryFile.create(for: path, mode: 0o600) else {
                            Issue.record("no file")
                            return
                        }
                        #expect(rename(temporary, path) == 0)
                        close(file)
                    }
                }
            }
        }
        #expect(try folder.names == ["a.yaml"])
    }
}
