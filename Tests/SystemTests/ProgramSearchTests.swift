import Foundation
import TestSupport
import Testing

@testable import System

struct ProgramSearchTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func program(_ name: String, mode: mode_t) throws -> String {
        let path = try folder.write(name, "#!/bin/sh\n")
        chmod(path, mode)
        return path
    }

    @Test func findsTheFirstExecutable() throws {
        let (plain, runnable) = (try program("a/tool", mode: 0o644), try program("b/tool", mode: 0o755))
        _ = try program("c/tool", mode: 0o755)
        let folders = ["a", "b", "c"].map { folder.path($0) }
        #expect(
            try ProgramSearch.path(of: "tool", in: "/nowhere:" + folders.joined(separator: ":")) == runnable)
        #expect(try ProgramSearch.path(of: runnable, in: "") == runnable)
        #expect(throws: ProgramSearch.SearchError.notExecutable("Permission denied")) {
            try ProgramSearch.path(of: plain, in: nil)
        }
        #expect(throws: ProgramSearch.SearchError.notExecutable("Permission denied")) {
            try ProgramSearch.path(of: "tool", in: folders[0])
        }
        #expect(throws: ProgramSearch.SearchError.notExecutable("it is not a file")) {
            try ProgramSearch.path(of: folder.path, in: nil)
        }
        #expect(throws: ProgramSearch.SearchError.notFound) {
            try ProgramSearch.path(of: "other", in: folders.joined(separator: ":"))
        }
        #expect(throws: ProgramSearch.SearchError.notFound) { try ProgramSearch.path(of: "", in: nil) }
    }

    @Test func anEmptyPathEntryIsTheCurrentFolder() throws {
        #expect(try ProgramSearch.path(of: "sh", in: nil).hasSuffix("/sh"))
        #expect(throws: ProgramSearch.SearchError.notFound) { try ProgramSearch.path(of: "sh", in: "") }
    }
}
