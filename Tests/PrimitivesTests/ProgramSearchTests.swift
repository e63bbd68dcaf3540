import Foundation
import Testing

@testable import Primitives

struct ProgramSearchTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "sb-\(UUID().uuidString)")

    private func program(_ name: String, mode: mode_t) throws -> String {
        let path = folder.appending(path: name).path
        try FileManager.default.createDirectory(
            at: folder.appending(path: name).deletingLastPathComponent(), withIntermediateDirectories: true)
        try "#!/bin/sh\n".write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, mode)
        return path
    }

    @Test func theFirstThatCanBeRunIsTaken() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let (plain, runnable) = (try program("a/tool", mode: 0o644), try program("b/tool", mode: 0o755))
        _ = try program("c/tool", mode: 0o755)
        let folders = ["a", "b", "c"].map { folder.appending(path: $0).path }
        #expect(
            try ProgramSearch.path(of: "tool", in: "/nowhere:" + folders.joined(separator: ":")) == runnable)
        #expect(try ProgramSearch.path(of: runnable, in: "") == runnable)
        #expect(throws: ProgramSearch.Failure.notExecutable("Permission denied")) {
            try ProgramSearch.path(of: plain, in: nil)
        }
        #expect(throws: ProgramSearch.Failure.notExecutable("Permission denied")) {
            try ProgramSearch.path(of: "tool", in: folders[0])
        }
        #expect(throws: ProgramSearch.Failure.notExecutable("it is no file")) {
            try ProgramSearch.path(of: folder.path, in: nil)
        }
        #expect(throws: ProgramSearch.Failure.notFound) {
            try ProgramSearch.path(of: "other", in: folders.joined(separator: ":"))
        }
        #expect(throws: ProgramSearch.Failure.notFound) { try ProgramSearch.path(of: "", in: nil) }
    }

    @Test func anEmptyFolderIsTheCurrentOne() throws {
        #expect(try ProgramSearch.path(of: "sh", in: nil).hasSuffix("/sh"))
        #expect(throws: ProgramSearch.Failure.notFound) { try ProgramSearch.path(of: "sh", in: "") }
    }
}
