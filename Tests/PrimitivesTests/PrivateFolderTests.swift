import Foundation
import TestSupport
import Testing

@testable import Primitives

struct PrivateFolderTests {
    @Test func isForOneUserInMemoryAndLeavesNothing() throws {
        let folder = try PrivateFolder(in: ["", "/nonexistent", "/dev/shm"])
        #expect(folder.path.hasPrefix("/dev/shm/"))
        var info = stat()
        #expect(stat(folder.path, &info) == 0 && info.st_mode & 0o777 == 0o700)
        try folder.write(SecretBytes(copying: "plain".utf8), to: "a")
        #expect(stat(folder.path + "/a", &info) == 0 && info.st_mode & 0o777 == 0o600)
        // What an editor leaves: a link keeps its target, and all of it goes.
        let outside = try TemporaryFolder()
        let kept = try outside.write("kept", "kept")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: kept)
        try FileManager.default.createDirectory(
            atPath: folder.path + "/sub/sub", withIntermediateDirectories: true)
        try "swap".write(toFile: folder.path + "/sub/.a.swp", atomically: true, encoding: .utf8)
        folder.remove()
        #expect(lstat(folder.path, &info) != 0)
        #expect(try outside.read("kept") == "kept")
    }

    @Test func aDiskIsRefused() {
        #expect(throws: FileError.self) { try PrivateFolder(in: ["/proc", "/etc", "/nonexistent"]) }
    }

    @Test func programsHaveTheirStatus() throws {
        #expect(try ForegroundProcess.run(["sh", "-c", "exit 3"]) == 3)
        #expect(try ForegroundProcess.run(["sh", "-c", "kill -9 $$"]) == 137)
        #expect(throws: ChildProcess.Failure.self) { try ForegroundProcess.run(["no-such-program"]) }
    }
}
