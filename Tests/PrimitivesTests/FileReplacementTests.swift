import Foundation
import Testing

@testable import Primitives

struct FileReplacementTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "sb-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func file(_ name: String, _ text: String) throws -> String {
        try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
        return folder.appending(path: name).path
    }

    private var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    @Test func keepsPermissionsAndLinks() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file("a.yaml", "old")
        chmod(path, 0o640)
        let link = folder.appending(path: "link.yaml").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "a.yaml")
        let stamp = try #require(FileStamp(path: link))
        try FileReplacement.replace(link, with: SecretBytes(copying: "new".utf8), unchangedSince: stamp)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
        var info = stat()
        #expect(lstat(link, &info) == 0 && info.st_mode & S_IFMT == S_IFLNK)
        #expect(stat(path, &info) == 0 && info.st_mode & 0o7777 == 0o640)
        #expect(names == ["a.yaml", "link.yaml"])
    }

    private func replacing(_ path: String) throws {
        let stamp = try #require(FileStamp(path: path))
        try FileReplacement.replace(path, with: SecretBytes(copying: "new".utf8), unchangedSince: stamp)
    }

    @Test func aFileWithHardLinksIsLeft() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file("a.yaml", "old")
        #expect(link(path, folder.appending(path: "b.yaml").path) == 0)
        let error = #expect(throws: FileError.self) { try replacing(path) }
        #expect(error?.reason.contains("2 hard links") == true)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        #expect(names == ["a.yaml", "b.yaml"])
    }

    @Test func whatIsReadOnlyIsLeft() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file("a.yaml", "old")
        chmod(path, 0o444)
        let error = #expect(throws: FileError.self) { try replacing(path) }
        #expect(error?.reason.contains("read-only") == true)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        #expect(names == ["a.yaml"])
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to make a file somebody else's"))
    func ownerAndGroupAreKept() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file("a.yaml", "old")
        #expect(chown(path, 1234, 4321) == 0)
        // A folder that gives its own group to new files.
        #expect(chown(folder.path, 0, 999) == 0 && chmod(folder.path, 0o2755) == 0)
        try replacing(path)
        var info = stat()
        #expect(stat(path, &info) == 0 && info.st_uid == 1234 && info.st_gid == 4321)
        let own = try file("b.yaml", "old")
        #expect(chown(own, 0, 0) == 0)
        try replacing(own)
        #expect(stat(own, &info) == 0 && info.st_uid == 0 && info.st_gid == 0)
    }

    @Test func whatSomebodyElseChangedIsLeft() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file("a.yaml", "old")
        let stamp = try #require(FileStamp(path: path))
        _ = try file("a.yaml", "theirs")
        #expect(throws: FileError.self) {
            try FileReplacement.replace(path, with: SecretBytes(copying: "new".utf8), unchangedSince: stamp)
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "theirs")
        #expect(names == ["a.yaml"])
    }

    @Test func whatAKilledRunLeftIsRemovedUnlessItIsInUse() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let abandoned = try file(".a.yaml.1.secrets-bridge-tmp", "half")
        let used = try file(".b.yaml.2.secrets-bridge-tmp", "half")
        let descriptor = open(used, O_RDONLY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        for path in [abandoned, used] {
            #expect(FileReplacement.isTemporary(String(path.split(separator: "/").last ?? "")))
            FileReplacement.removeAbandoned(path)
        }
        #expect(names == [".b.yaml.2.secrets-bridge-tmp"])
        #expect(!FileReplacement.isTemporary("a.yaml"))
    }
}
