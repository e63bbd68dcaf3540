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

    @Test func anExistingFileStays() throws {
        let open = try FolderHandle(folder.path)
        #expect(try create("a", "first", in: open))
        #expect(try !create("a", "second", in: open))
        #expect(try folder.read("a") == "first")
        #expect(try folder.names == ["a"])
    }

    @Test func aDanglingLinkIsAnExistingFile() throws {
        try folder.link("a", to: "nowhere")
        #expect(try !create("a", in: try FolderHandle(folder.path)))
        #expect(try folder.names == ["a"])
    }

    @Test func aFolderIsCreatedOnce() throws {
        let open = try FolderHandle(folder.path)
        for _ in 0..<2 { #expect(try open.openOrCreateFolder("b").path == folder.path("b")) }
        #expect(try create("c", in: try open.openOrCreateFolder("b")))
        #expect(try folder.read("b/c") == "x")
    }

    @Test func aLinkToAFolderIsNotFollowed() throws {
        let outside = try TemporaryFolder()
        try folder.link("b", to: outside.path)
        let open = try FolderHandle(folder.path)
        let path = folder.path("b")
        #expect(
            throws: FileError(
                path: path,
                reason: "\(path) is a symbolic link, which would lead elsewhere; replace it by a folder")
        ) { try open.openOrCreateFolder("b") }
        #expect(try outside.names == [])
    }

    /// Between the look at it and the file in it, the folder is replaced.
    @Test func aFolderThatIsReplacedMeanwhileIsNotLeft() throws {
        let outside = try TemporaryFolder()
        let open = try FolderHandle(folder.path).openOrCreateFolder("b")
        try folder.remove("b")
        try folder.link("b", to: outside.path)
        #expect(throws: FileError.self) { try create("c", in: open) }
        #expect(try outside.names == [])
    }

    @Test(arguments: ["", ".", "..", "../x", "a/b", "/etc/x", "a\0b"])
    func aPathIsNoName(name: String) throws {
        let open = try FolderHandle(folder.path)
        #expect(throws: FileError.self) { try create(name, in: open) }
        #expect(throws: FileError.self) { try open.openOrCreateFolder(name) }
        #expect(try folder.names == [])
    }

    @Test func aMissingFolderIsAnError() {
        let path = folder.path("b")
        #expect(throws: FileError(path: path, reason: "No such file or directory")) { try FolderHandle(path) }
    }
}
