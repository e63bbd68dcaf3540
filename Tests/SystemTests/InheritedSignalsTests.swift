import Glibc
import TestSupport
import Testing

@testable import Cryptography
@testable import System

/// Child processes inherit the signal mask of this process and not that of the thread that starts them.
struct InheritedSignalsTests {
    /// `SigBlk` and `SigIgn` of a child, which a thread with all signals blocked starts.
    private func childSignals() async throws -> [String: UInt64] {
        let process = ChildProcess(
            executable: "/bin/cat", arguments: ["/proc/self/status"], environment: [:], isInteractive: false,
            outputLimit: 1 << 20, deadline: .seconds(60))
        let text = String(decoding: try await process.run().output.bytes.revealed(), as: UTF8.self)
        var found: [String: UInt64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, words[0].hasPrefix("Sig") else { continue }
            found[String(words[0].dropLast())] = UInt64(words[1], radix: 16)
        }
        return found
    }

    @Test func childrenStartWithoutBlockedAndIgnoredSignals() async throws {
        let signals = try await childSignals()
        #expect(signals["SigBlk"] == 0)
        // posix_spawn(3) of glibc ignores its own two, 32 and 33.
        #expect(signals["SigIgn"].map { $0 & ~(3 << 31) } == 0)
    }
}
