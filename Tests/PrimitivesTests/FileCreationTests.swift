import Foundation
import TestSupport
import Testing

@testable import Primitives

struct FileCreationTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("a.yaml") }

    init() throws { folder = try TemporaryFolder() }

    @Test func whatIsThereStays() throws {
        #expect(try FileCreation.create(path, with: SecretBytes(copying: "first".utf8)))
        #expect(try !FileCreation.create(path, with: SecretBytes(copying: "second".utf8)))
        #expect(try folder.read("a.yaml") == "first")
        #expect(try folder.names == ["a.yaml"])
    }

    @Test func aLinkThatLeadsNowhereIsSomething() throws {
        try folder.link("a.yaml", to: "nowhere")
        #expect(try !FileCreation.create(path, with: SecretBytes(copying: "x".utf8)))
        #expect(try folder.names == ["a.yaml"])
    }

    @Test func makesFoldersWhereThereAreNone() throws {
        for _ in 0..<2 {
            try FileCreation.makeFolder(folder.path("x//y/z"))
            #expect(try folder.names == ["x"])
        }
        #expect(try FileCreation.create(folder.path("x/y/z/a"), with: SecretBytes(copying: "x".utf8)))
        let inFile = folder.path("x/y/z/a/b")
        #expect(throws: FileError(path: inFile, reason: "\(folder.path)/x/y/z/a is a file")) {
            try FileCreation.makeFolder(inFile)
        }
        #expect(throws: FileError(path: "/proc/x/y", reason: "No such file or directory")) {
            try FileCreation.makeFolder("/proc/x/y")
        }
    }

    @Test func whatIsNoFolderIsNamed() throws {
        try folder.link("dangling", to: "nowhere")
        try folder.link("self", to: "self")
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        for (name, what) in [
            ("dangling", "a link to what is not there"), ("self", "a link to what is not there"),
            ("pipe", "neither a file nor a folder"),
        ] {
            let path = folder.path(name)
            #expect(throws: FileError(path: path, reason: "\(path) is \(what)")) {
                try FileCreation.makeFolder(path)
            }
        }
        // A link to a folder is one.
        try folder.link("link", to: ".")
        try FileCreation.makeFolder(folder.path("link/x"))
    }

    @Test func aFolderThatIsNotThereIsAnError() {
        #expect(throws: FileError(path: "\(path)/b", reason: "No such file or directory")) {
            _ = try FileCreation.create("\(path)/b", with: SecretBytes(copying: "x".utf8))
        }
    }
}
