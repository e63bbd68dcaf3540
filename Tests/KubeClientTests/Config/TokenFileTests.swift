import FoundationEssentials
import System
import TestSupport
import Testing

@testable import KubeClient

@Suite struct TokenFileTests {
    private let folder: TemporaryFolder
    private let clock = Locked(ContinuousClock.now)
    private let file: TokenFile

    init() throws {
        folder = try TemporaryFolder()
        let path = try folder.write("token", "one\n")
        file = TokenFile(path: path, purpose: "the test") { [clock] in clock.withLock { $0 } }
    }

    private func token() async throws -> String? { text(try await file.credential().authorization) }
    private func pass(_ duration: Duration) { clock.withLock { $0 += duration } }

    /// Writes the file in place with the same modification time each time.
    private func writeUnnoticed(_ content: String) throws {
        let file = try folder.write("token", content)
        let time = Date(timeIntervalSince1970: 1_000_000_000)
        try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: file)
    }

    @Test func readsAChangedFile() async throws {
        #expect(try await token() == "Bearer one")
        let first = try await file.credential()
        try folder.write("token", "second\n")
        #expect(try await token() == "Bearer second")
        #expect(try await file.credential().generation > first.generation)
    }

    @Test func skipsAByteOrderMark() async throws {
        try folder.write("token", "\u{FEFF}marked\r\n")
        #expect(try await token() == "Bearer marked")
    }

    /// The last token stays in use while the kubelet replaces the file.
    @Test func keepsTheLastTokenWhenReadingFails() async throws {
        #expect(try await token() == "Bearer one")
        try folder.remove("token")
        #expect(try await token() == "Bearer one")
        pass(.seconds(3600))
        #expect(try await token() == "Bearer one")
        try folder.write("token", "\n")
        #expect(try await token() == "Bearer one")
        try folder.write("token", "three")
        #expect(try await token() == "Bearer three")
    }

    /// A change that keeps the file's time and size is noticed after a minute, or once the server refuses the token.
    @Test func readsTheFileAgainAfterAMinuteAndWhenRefused() async throws {
        try writeUnnoticed("aaa\n")
        #expect(try await token() == "Bearer aaa")
        try writeUnnoticed("bbb\n")
        #expect(try await token() == "Bearer aaa")
        pass(.seconds(60))
        #expect(try await token() == "Bearer bbb")
        try writeUnnoticed("ccc\n")
        #expect(try await token() == "Bearer bbb")
        await file.invalidate(try await file.credential())
        #expect(try await token() == "Bearer ccc")
    }

    @Test func keepsTheGenerationOfAnUnchangedToken() async throws {
        let used = try await file.credential()
        await file.invalidate(used)
        #expect(try await file.credential().generation == used.generation)
        try folder.write("token", "two")
        await file.invalidate(used)
        let fresh = try await file.credential()
        #expect(fresh.generation == used.generation + 1)
        // A late 401 for the old token must not discard the new one.
        await file.invalidate(used)
        #expect(try await file.credential().generation == fresh.generation)
    }

    @Test func reportsAFileThatWasNeverReadable() async throws {
        let missing = TokenFile(path: "\(folder.path)/none", purpose: "the test")
        let line = await refusal { () throws(ConfigurationError) in _ = try await missing.credential() }
        #expect(
            line == "\(folder.path)/none: cannot be read (No such file or directory); needed for the test")
        let path = try folder.write("bad", "s3\ncret")
        let bad = TokenFile(path: path, purpose: "the test")
        #expect(
            await refusal { () throws(ConfigurationError) in _ = try await bad.credential() }
                == "\(path): holds no token; needed for the test")
    }
}
