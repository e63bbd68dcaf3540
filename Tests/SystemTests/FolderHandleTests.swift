import Foundation
import TestSupport
import Testing

@testable import Cryptography
@testable import System

struct FolderHandleTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func create(_ name: String, _ text: String = "x", in open: FolderHandle) throws -> Bool {
        try open.create(name, with: SecretBytes(copying: text.utf8))
    }

    @Test func doesNotReplaceAnExistingFile() throws {
        let open = try FolderHandle(folder.path)
        #expect(try create("a", "first", in: open))
        #expect(try !create("a", "second", in: open))
        #expect(try folder.read("a") == "first")
        #expect(try folder.names == ["a"])
    }

    /// The process prints the path of its folder, writes files and ends by a signal.
    @Test func aSignalLeavesNoTemporaryFile() async throws {
        let result = await #expect(
            processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]
        ) {
            var signals = sigset_t()
            sigfillset(&signals)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            let folder = try TemporaryFolder()
            print("folder=\(folder.path)=")
            fflush(nil)
            _ = startThread {
                let contents = SecretBytes(copying: [UInt8](repeating: 1, count: 8 << 20))
                let open = try? FolderHandle(folder.path)
                for number in 0..<100 { _ = try? open?.create("\(number)", with: contents) }
            }
            while try folder.names.count < 2 { usleep(1000) }
            kill(getpid(), SIGTERM)
            sleep(60)
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let path = try #require(output.split(separator: "=").dropFirst().first.map(String.init))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(!names.isEmpty)
        #expect(names.filter(TemporaryFile.isTemporary) == [])
    }

    @Test func treatsADanglingSymlinkAsAnExistingFile() throws {
        try folder.link("a", to: "nowhere")
        #expect(try !create("a", in: try FolderHandle(folder.path)))
        #expect(try folder.names == ["a"])
    }

    @Test func opensAFolderThatItCreatedBefore() throws {
        let open = try FolderHandle(folder.path)
        for _ in 0..<2 { #expect(try open.openOrCreateFolder("b").path == folder.path("b")) }
        #expect(try create("c", in: try open.openOrCreateFolder("b")))
        #expect(try folder.read("b/c") == "x")
    }

    @Test func doesNotFollowASymlinkToAFolder() throws {
        let outside = try TemporaryFolder()
        try folder.link("b", to: outside.path)
        let open = try FolderHandle(folder.path)
        let path = folder.path("b")
        #expect(
            throws: FileError(
                path: path,
                reason:
                    "\(path) is a symbolic link, which could lead to another folder; replace it by a folder")
        ) { try open.openOrCreateFolder("b") }
        #expect(try outside.names == [])
    }

    /// The folder is replaced by a symbolic link after it was opened.
    @Test func createsFilesInTheOpenFolderAfterItsPathIsReplaced() throws {
        let outside = try TemporaryFolder()
        let open = try FolderHandle(folder.path).openOrCreateFolder("b")
        try folder.remove("b")
        try folder.link("b", to: outside.path)
        #expect(throws: FileError.self) { try create("c", in: open) }
        #expect(try outside.names == [])
    }

    @Test(arguments: ["", ".", "..", "../x", "a/b", "/etc/x", "a\0b"])
    func rejectsPathsAsNames(name: String) throws {
        let open = try FolderHandle(folder.path)
        #expect(throws: FileError.self) { try create(name, in: open) }
        #expect(throws: FileError.self) { try open.openOrCreateFolder(name) }
        #expect(try folder.names == [])
    }

    @Test func failsForAMissingFolder() {
        let path = folder.path("b")
        #expect(throws: FileError(path: path, reason: "No such file or directory")) { try FolderHandle(path) }
    }

    @Test func createsMissingParents() throws {
        for _ in 0..<2 {
            try FolderCreation.createFolderAndParents(folder.path("x//y/z"))
            #expect(try folder.names == ["x"])
        }
        try folder.write("x/y/z/a", "x")
        let inFile = folder.path("x/y/z/a/b")
        #expect(throws: FileError(path: inFile, reason: "\(folder.path)/x/y/z/a is a file")) {
            try FolderCreation.createFolderAndParents(inFile)
        }
        #expect(throws: FileError(path: "/proc/x/y", reason: "No such file or directory")) {
            try FolderCreation.createFolderAndParents("/proc/x/y")
        }
    }

    @Test func reportsWhatIsNotAFolder() throws {
        try folder.link("dangling", to: "nowhere")
        try folder.link("self", to: "self")
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        for (name, what) in [
            ("dangling", "a symbolic link whose target does not exist"),
            ("self", "a symbolic link whose target does not exist"),
            ("pipe", "neither a file nor a folder"),
        ] {
            let path = folder.path(name)
            #expect(throws: FileError(path: path, reason: "\(path) is \(what)")) {
                try FolderCreation.createFolderAndParents(path)
            }
        }
        // A link to a folder counts as a folder.
        try folder.link("link", to: ".")
        try FolderCreation.createFolderAndParents(folder.path("link/x"))
    }
}
