import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Cryptography
@testable import System

/// Several writers of one file. Each that was acknowledged has its effect in the end.
struct ConcurrentReplacementTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Replaces a file if it is unchanged since it was read, as a command does, and again until it succeeds.
    private static func append(_ line: String, to path: String) throws {
        while true {
            guard let fingerprint = FileFingerprint(path: path) else { continue }
            let text = try String(contentsOfFile: path, encoding: .utf8) + line
            do throws(FileError) {
                return try FileReplacement.replace(
                    path, with: SecretBytes(copying: text.utf8), unchangedSince: fingerprint)
            } catch {
                guard error.reason.contains("another process has changed it") else { throw error }
            }
        }
    }

    @Test func noAcknowledgedReplacementIsLost() throws {
        let path = try folder.write("a.yaml", "")
        let problems = Locked<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for count in 0..<50 {
                do {
                    try Self.append("\(thread)-\(count)\n", to: path)
                } catch {
                    problems.withLock { $0.append("\(error)") }
                }
            }
        }
        #expect(problems.withLock { $0 } == [])
        let lines = try folder.read("a.yaml").split(separator: "\n").map(String.init)
        #expect(Set(lines).count == 8 * 50)
        #expect(lines.count == 8 * 50)
        #expect(try folder.names == ["a.yaml"])
    }

    @Test func oneOfSeveralWritersCreatesANewFile() throws {
        for round in 0..<100 {
            let name = "\(round).yaml"
            let outputs = try (0..<8).map { _ in
                try OutputFile(folder.path(name), permissions: .byUmask)
            }
            let winners = Locked<[Int]>([])
            DispatchQueue.concurrentPerform(iterations: outputs.count) { index in
                guard (try? outputs[index].write(SecretBytes(copying: "\(index)".utf8))) != nil else {
                    return
                }
                winners.withLock { $0.append(index) }
            }
            let winner = winners.withLock { $0 }
            #expect(winner.count == 1)
            #expect(try folder.read(name) == winner.first.map { "\($0)" })
        }
        #expect(try folder.names.count == 100)
    }

    /// Both writers have their temporary file, and rename it at the same moment.
    @Test func oneOfTwoTemporaryFilesGetsANewName() throws {
        for round in 0..<300 {
            let target = folder.path("\(round).yaml")
            for index in 0..<2 { try folder.write("\(round).\(index)", "\(index)") }
            let ready = Atomic<Int>(0)
            let winners = Locked<[Int]>([])
            DispatchQueue.concurrentPerform(iterations: 2) { index in
                ready.add(1, ordering: .sequentiallyConsistent)
                // Each waits for the other, but not for ever: there may be one thread only.
                for _ in 0..<1000 where ready.load(ordering: .sequentiallyConsistent) < 2 { sched_yield() }
                let isRenamed = try? TemporaryFile.rename(
                    folder.path("\(round).\(index)"), toNew: target, named: target)
                if isRenamed == true { winners.withLock { $0.append(index) } }
            }
            let winner = winners.withLock { $0 }
            try #require(winner.count == 1)
            #expect(try folder.read("\(round).yaml") == "\(winner[0])")
        }
    }

    private func replace(_ path: String, _ text: String = "new") throws {
        let fingerprint = try #require(FileFingerprint(path: path))
        try FileReplacement.replace(path, with: SecretBytes(copying: text.utf8), unchangedSince: fingerprint)
    }

    @Test func reportsAFileThatAnotherProcessKeepsLocked() throws {
        let path = try folder.write("a.yaml", "old")
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        let error = #expect(throws: FileError.self) {
            try FileLock.withLock(ofFile: path, named: "a.yaml", timeout: .milliseconds(30)) {
                () throws(FileError) in Issue.record("the lock was not respected")
            }
        }
        #expect(error?.reason.contains("another process holds a lock on it") == true)
        #expect(flock(descriptor, LOCK_UN) == 0)
        let result = try FileLock.withLock(ofFile: path, named: "a.yaml") { () throws(FileError) in 1 }
        #expect(result == 1)
    }

    /// `flock . secrets-bridge set a.yaml` holds the lock of the folder meanwhile.
    @Test func replacesAFileOfALockedFolder() throws {
        let path = try folder.write("a.yaml", "old")
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        try replace(path)
        #expect(try folder.read("a.yaml") == "new")
    }

    /// The lock of a file that was replaced meanwhile protects nothing.
    @Test func locksTheFileThatReplacedALockedOne() throws {
        let path = try folder.write("a.yaml", "old")
        let descriptor = open(path, O_RDONLY)
        #expect(flock(descriptor, LOCK_EX) == 0)
        let mayEnd = DispatchSemaphore(value: 0)
        let held = Locked<Bool?>(nil)
        let thread = startThread { [folder] in
            _ = try? FileLock.withLock(ofFile: path, named: path) { () throws(FileError) in
                let current = open(folder.path("a.yaml"), O_RDONLY)
                held.withLock { $0 = flock(current, LOCK_EX | LOCK_NB) != 0 }
                close(current)
            }
            mayEnd.signal()
        }
        #expect(thread == 0)
        usleep(20_000)
        try folder.write("b.yaml", "new")
        #expect(rename(folder.path("b.yaml"), path) == 0)
        close(descriptor)
        mayEnd.wait()
        #expect(held.withLock { $0 } == true)
    }

    /// The permissions of a file change after the new file got them, and before it is renamed.
    @Test func keepsPermissionsThatChangeMeanwhile() throws {
        let path = try folder.write("a.yaml", "old")
        chmod(path, 0o644)
        let descriptor = open(path, O_RDONLY)
        #expect(flock(descriptor, LOCK_EX) == 0)
        let hasEnded = DispatchSemaphore(value: 0)
        let reason = Locked<String?>(nil)
        let fingerprint = try #require(FileFingerprint(path: path))
        let thread = startThread {
            do throws(FileError) {
                try FileReplacement.replace(
                    path, with: SecretBytes(copying: "new".utf8), unchangedSince: fingerprint)
            } catch {
                reason.withLock { $0 = error.reason }
            }
            hasEnded.signal()
        }
        #expect(thread == 0)
        for _ in 0..<5000 where try folder.names.count < 2 { usleep(1000) }
        usleep(20_000)
        chmod(path, 0o600)
        close(descriptor)
        hasEnded.wait()
        #expect(reason.withLock { $0 }?.contains("another process has changed it meanwhile") == true)
        var info = stat()
        #expect(stat(path, &info) == 0)
        #expect(info.st_mode & 0o7777 == 0o600)
        #expect(try folder.read("a.yaml") == "old")
        #expect(try folder.names == ["a.yaml"])
    }

    /// A file system with neither RENAME_NOREPLACE nor links.
    @Test func renamesUnderTheLockOfTheFolderToANewNameOnly() throws {
        try folder.write("temporary", "new")
        try folder.link("dangling", to: "nowhere")
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        #expect(try TemporaryFile.renameWithLock("temporary", toNew: "a", in: descriptor, named: "a"))
        #expect(try folder.read("a") == "new")
        try folder.write("temporary", "newer")
        #expect(try !TemporaryFile.renameWithLock("temporary", toNew: "a", in: descriptor, named: "a"))
        #expect(try !TemporaryFile.renameWithLock("temporary", toNew: "dangling", in: descriptor, named: "a"))
        let (from, to) = (folder.path("temporary"), folder.path("b"))
        #expect(try TemporaryFile.renameWithLock(from, toNew: to, named: to))
        #expect(try folder.names == ["a", "b", "dangling"])
    }

    @Test func reportsAFolderThatAnotherProcessKeepsLocked() throws {
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        let error = #expect(throws: FileError.self) {
            try FileLock.withFolderLock(
                for: "a.yaml", from: descriptor, named: "a.yaml", timeout: .milliseconds(30)
            ) {
                () throws(FileError) in Issue.record("the lock was not respected")
            }
        }
        #expect(error?.reason.contains("another process holds the lock of its folder") == true)
    }
}
