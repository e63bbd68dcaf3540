import Foundation
import Testing

@testable import Primitives

struct FileCreationTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "sb-\(UUID().uuidString)")
    private var path: String { folder.appending(path: "a.yaml").path }

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    @Test func whatIsThereStays() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(try FileCreation.create(path, with: SecretBytes(copying: "first".utf8)))
        #expect(try !FileCreation.create(path, with: SecretBytes(copying: "second".utf8)))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "first")
        #expect(names == ["a.yaml"])
    }

    @Test func aLinkThatLeadsNowhereIsSomething() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "nowhere")
        #expect(try !FileCreation.create(path, with: SecretBytes(copying: "x".utf8)))
        #expect(names == ["a.yaml"])
    }

    @Test func makesFoldersWhereThereAreNone() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        for _ in 0..<2 {
            try FileCreation.makeFolder(folder.path + "/x//y/z")
            #expect(names == ["x"])
        }
        #expect(try FileCreation.create(folder.path + "/x/y/z/a", with: SecretBytes(copying: "x".utf8)))
        let inFile = folder.path + "/x/y/z/a/b"
        #expect(throws: FileError(path: inFile, reason: "\(folder.path)/x/y/z/a is a file")) {
            try FileCreation.makeFolder(inFile)
        }
        #expect(throws: FileError(path: "/proc/x/y", reason: "No such file or directory")) {
            try FileCreation.makeFolder("/proc/x/y")
        }
    }

    @Test func whatIsNoFolderIsNamed() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/dangling", withDestinationPath: "nowhere")
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/self", withDestinationPath: "self")
        #expect(mkfifo("\(folder.path)/pipe", 0o600) == 0)
        for (name, what) in [
            ("dangling", "a link to what is not there"), ("self", "a link to what is not there"),
            ("pipe", "neither a file nor a folder"),
        ] {
            let path = "\(folder.path)/\(name)"
            #expect(throws: FileError(path: path, reason: "\(path) is \(what)")) {
                try FileCreation.makeFolder(path)
            }
        }
        // A link to a folder is one.
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/link", withDestinationPath: ".")
        try FileCreation.makeFolder("\(folder.path)/link/x")
    }

    @Test func aFolderThatIsNotThereIsAnError() {
        #expect(throws: FileError(path: "\(path)/b", reason: "No such file or directory")) {
            _ = try FileCreation.create("\(path)/b", with: SecretBytes(copying: "x".utf8))
        }
    }
}
