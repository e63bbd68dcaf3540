import Foundation
import TestSupport
import Testing

@testable import System

struct FileLockTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A stopped process keeps its lock for ever.
    @Test func reportsALockThatAnotherHolderKeeps() throws {
        let path = folder.path("pins.lock")
        try FileLock.withLock(path) {
            let error = #expect(throws: FileError.self) {
                try FileLock.withLock(path, timeout: .milliseconds(50)) {}
            }
            #expect(error?.reason == "another process holds the lock; end it, or try again later")
        }
    }

    @Test func locksAgainAfterTheRelease() throws {
        let path = folder.path("pins.lock")
        for number in 0..<2 {
            #expect(try FileLock.withLock(path, timeout: .zero) { number } == number)
        }
    }
}
