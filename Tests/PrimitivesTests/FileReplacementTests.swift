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
