import Foundation
import TestSupport
import Testing

@testable import Cryptography
@testable import System

struct PrivateFolderTests {
    /// A folder in memory that no other test cleans up.
    private final class Memory {
        let path = "/dev/shm/sb-test-\(UUID())"

        init() throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private let memory: Memory
    private var parent: String { memory.path }

    init() throws { memory = try Memory() }

    @Test func isInMemoryForOneUserAndLeavesNoFiles() throws {
        let folder = try PrivateFolder(in: ["", "/nonexistent", parent])
        #expect(folder.path.hasPrefix(parent + "/"))
        var info = stat()
        #expect(stat(folder.path, &info) == 0)
        #expect(info.st_mode & 0o777 == 0o700)
        try folder.write(SecretBytes(copying: "plain".utf8), to: "a")
        #expect(stat(folder.path + "/a", &info) == 0)
        #expect(info.st_mode & 0o777 == 0o600)
        // Files that an editor leaves, and a link, whose target is kept.
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

    /// Creates a folder as a killed process leaves it: the kernel has released its lock.
    private func leaveBehind(_ name: String) throws -> String {
        let path = "\(parent)/secrets-bridge-\(name)"
        for folder in [path, path + "/sub"] {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }
        try "plain".write(toFile: path + "/values.yaml", atomically: false, encoding: .utf8)
        try "plain".write(toFile: path + "/sub/.values.yaml.swp", atomically: false, encoding: .utf8)
        return path
    }

    @Test func removesFoldersOfKilledProcesses() throws {
        let outside = try TemporaryFolder()
        let kept = try outside.write("kept", "kept")
        let left = try leaveBehind("edit-a1b2C3")
        try FileManager.default.createSymbolicLink(atPath: left + "/link", withDestinationPath: kept)
        try FileManager.default.createSymbolicLink(
            atPath: left + "/folder", withDestinationPath: outside.path)
        #expect(mkfifo(left + "/pipe", 0o600) == 0)
        PrivateFolder.removeAbandoned(in: ["", "/nonexistent", "/etc", parent])
        #expect(!FileManager.default.fileExists(atPath: left))
        #expect(try outside.read("kept") == "kept")
    }

    @Test(arguments: ["build", "edit-a", "edit-a1b2C3-old", "edit-"]) func keepsFoldersOfOtherNames(
        name: String
    ) throws {
        let path = try leaveBehind(name)
        PrivateFolder.removeAbandoned(in: [parent])
        #expect(FileManager.default.fileExists(atPath: path + "/values.yaml"))
    }

    @Test func keepsFoldersThatOtherUsersCanEnter() throws {
        let path = try leaveBehind("edit-a1b2C3")
        #expect(chmod(path, 0o755) == 0)
        PrivateFolder.removeAbandoned(in: [parent])
        #expect(FileManager.default.fileExists(atPath: path + "/values.yaml"))
    }

    @Test func keepsFoldersInUse() throws {
        let folder = try PrivateFolder(in: [parent])
        try folder.write(SecretBytes(copying: "plain".utf8), to: "a")
        PrivateFolder.removeAbandoned(in: [parent])
        #expect(FileManager.default.fileExists(atPath: folder.path + "/a"))
        folder.remove()
        #expect(!FileManager.default.fileExists(atPath: folder.path))
    }

    /// Another user who can create files in a shared folder cannot make this process empty one of its own folders.
    @Test func keepsSymlinks() throws {
        let outside = try TemporaryFolder()
        try outside.write("kept", "kept")
        let link = "\(parent)/secrets-bridge-edit-a1b2C3"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: outside.path)
        defer { unlink(link) }
        PrivateFolder.removeAbandoned(in: [parent])
        #expect(try outside.read("kept") == "kept")
    }

    /// Only root can change the owner of a folder.
    @Test(.enabled(if: geteuid() == 0)) func keepsFoldersOfOtherUsers() throws {
        let path = try leaveBehind("edit-a1b2C3")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(chown(path, 65534, 65534) == 0)
        PrivateFolder.removeAbandoned(in: [parent])
        #expect(FileManager.default.fileExists(atPath: path + "/values.yaml"))
    }

    /// Processes that start at the same time create folders while others clean up.
    @Test func cleanUpDoesNotRemoveNewFolders() async throws {
        let parent = parent
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<200 {
                        guard let folder = try? PrivateFolder(in: [parent]) else {
                            Issue.record("no folder")
                            return
                        }
                        #expect(throws: Never.self) {
                            try folder.write(SecretBytes(copying: "plain".utf8), to: "a")
                        }
                        #expect(FileManager.default.fileExists(atPath: folder.path + "/a"))
                        folder.remove()
                    }
                }
                group.addTask { for _ in 0..<200 { PrivateFolder.removeAbandoned(in: [parent]) } }
            }
        }
    }

    @Test func rejectsFoldersOnADisk() {
        #expect(throws: FileError.self) { try PrivateFolder(in: ["/proc", "/etc", "/nonexistent"]) }
    }

    @Test func returnsTheExitCodeOfForegroundPrograms() throws {
        #expect(try ForegroundProcess.run(["sh", "-c", "exit 3"]) == 3)
        #expect(try ForegroundProcess.run(["sh", "-c", "kill -9 $$"]) == 137)
        #expect(throws: ChildProcess.RunError.self) { try ForegroundProcess.run(["no-such-program"]) }
    }

    /// An editor gets what the user's shell passed on purpose, and no socket of a library.
    @Test func foregroundProgramsInheritOnlyTheDescriptorsOfTheStart() throws {
        let inherited = open("/dev/null", O_RDONLY)
        InheritedDescriptors.record()
        let own = open("/dev/null", O_RDONLY)
        defer {
            close(own)
            close(inherited)
        }
        #expect(inherited > 2)
        let script =
            "test -e /proc/self/fd/\(inherited) || exit 3; test -e /proc/self/fd/\(own) && exit 4; exit 0"
        #expect(try ForegroundProcess.run(["sh", "-c", script]) == 0)
    }
}
