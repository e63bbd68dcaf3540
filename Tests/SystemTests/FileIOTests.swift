import TestSupport
import Testing

@testable import Cryptography
@testable import System

struct FileIOTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [0, 1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 200_000])
    func readsAWholeFile(count: Int) throws {
        let contents = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let read = try SecretBytes(contentsOfFile: folder.write("a", contents), limit: count)
        #expect(read.revealed() == contents)
    }

    @Test func rejectsFilesAboveTheLimit() throws {
        let path = try folder.write("a", [1, 2, 3])
        #expect(throws: FileError(path: path, reason: "is larger than 2 bytes", isTooLarge: true)) {
            _ = try SecretBytes(contentsOfFile: path, limit: 2)
        }
    }

    @Test func reportsWhyAFileCannotBeRead() {
        #expect(throws: FileError(path: "/nowhere/at/all", reason: "No such file or directory")) {
            _ = try SecretBytes(contentsOfFile: "/nowhere/at/all", limit: 10)
        }
        #expect(throws: FileError(path: "/", reason: "Is a directory")) {
            _ = try SecretBytes(contentsOfFile: "/", limit: 10)
        }
    }

    @Test func zeroesEveryReadBuffer() throws {
        let path = try folder.write("a", [UInt8](repeating: 0xA5, count: 40_000))
        let releases = ReleasedMemory.during {
            #expect(throws: Never.self) { _ = try SecretBytes(contentsOfFile: path, limit: 40_000) }
        }
        #expect(releases.count >= 3)
        #expect(releases.allSatisfy { $0.isZero })
    }
}
