import Foundation
import TestSupport
import Testing

@testable import Cryptography
@testable import System

struct OutputFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ path: String, _ permissions: OutputFile.Permissions = .byUmask) throws {
        try OutputFile(path, permissions: permissions).write(SecretBytes(copying: "new".utf8))
    }

    @Test func createsAFileAndReplacesIt() throws {
        for _ in 0..<2 {
            try write(folder.path("a.yaml"))
            #expect(try folder.read("a.yaml") == "new")
            #expect(try folder.names == ["a.yaml"])
        }
    }

    @Test func ownerOnlyFilesAreReadableByTheOwnerAlone() throws {
        var info = stat()
        let path = folder.path("a.yaml")
        try write(path, .ownerOnly)
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o7777 == 0o600)
        chmod(path, 0o666)
        try write(path, .ownerOnly)
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o7777 == 0o600)
    }

    @Test func keepsWhatAnotherProcessWroteMeanwhile() throws {
        let path = folder.path("a.yaml")
        let new = try OutputFile(path, permissions: .byUmask)
        try folder.write("a.yaml", "theirs")
        #expect(throws: FileError.self) { try new.write(SecretBytes(copying: "ours".utf8)) }
        #expect(try folder.read("a.yaml") == "theirs")
        let existing = try OutputFile(path, permissions: .byUmask)
        try folder.remove("a.yaml")
        try folder.write("a.yaml", "theirs again")
        #expect(throws: FileError.self) { try existing.write(SecretBytes(copying: "ours".utf8)) }
        #expect(try folder.read("a.yaml") == "theirs again")
        #expect(try folder.names == ["a.yaml"])
    }

    @Test(
        arguments: [
            ("-", nil), ("/dev/stdin", 0), ("/dev/stdout", 1), ("/dev/fd/63", 63), ("/proc/self/fd/0", 0),
            ("/dev/fd/", nil),
            ("/dev/fd/x", nil), ("/dev/fd/-1", nil), ("/dev/null", nil), ("stdin", nil),
        ] as [(String, Int32?)])
    func recognisesPathsOfDescriptors(path: String, number: Int32?) {
        #expect(DescriptorPath.fileDescriptor(path) == number)
    }
}
