import TestSupport
import Testing

@testable import Cryptography
@testable import System

@Suite struct SecretFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [0, 1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 200_000])
    func readsAWholeFile(count: Int) throws {
        let contents = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let read = try SecretBytes(contentsOfFile: folder.write("a", contents), limit: count)
        #expect(read.revealed() == contents)
    }

    @Test func refusesMoreThanTheLimit() throws {
        let path = try folder.write("a", [1, 2, 3])
        #expect(throws: FileError(path: path, reason: "is larger than 2 bytes", isTooLarge: true)) {
            _ = try SecretBytes(contentsOfFile: path, limit: 2)
        }
    }

    @Test func saysWhyAFileCannotBeRead() {
        #expect(throws: FileError(path: "/nowhere/at/all", reason: "No such file or directory")) {
            _ = try SecretBytes(contentsOfFile: "/nowhere/at/all", limit: 10)
        }
        #expect(throws: FileError(path: "/", reason: "Is a directory")) {
            _ = try SecretBytes(contentsOfFile: "/", limit: 10)
        }
    }

    @Test func zeroesEveryBufferItReadThrough() throws {
        let path = try folder.write("a", [UInt8](repeating: 0xA5, count: 40_000))
        let releases = ReleasedMemory.during {
            #expect(throws: Never.self) { _ = try SecretBytes(contentsOfFile: path, limit: 40_000) }
        }
        #expect(releases.count >= 3)
        #expect(releases.allSatisfy { $0.isZero })
    }

    @Test(arguments: [
        ("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r"), ("\n", ""), ("", ""),
        ("a\nb", "a\nb"),
    ])
    func trimsOneNewline(text: String, expected: String) {
        let secret = SecretBytes(copying: Array(text.utf8))
        #expect(secret.trimmingTrailingNewline().revealed() == Array(expected.utf8))
    }

    @Test func splitsAtASeparator() {
        let parts = SecretBytes(copying: Array(",a,,bc,".utf8)).split(separator: UInt8(ascii: ","))
        #expect(parts.map { $0.bytes.revealed() } == [Array("a".utf8), Array("bc".utf8)])
    }
}
