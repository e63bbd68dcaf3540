import Foundation
import TestSupport
import Testing

@testable import System

struct FileCreationTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func makesFoldersWhereThereAreNone() throws {
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
                try FolderCreation.createFolderAndParents(path)
            }
        }
        // A link to a folder is one.
        try folder.link("link", to: ".")
        try FolderCreation.createFolderAndParents(folder.path("link/x"))
    }
}
