import Foundation
import TestSupport
import Testing

/// Crashes a process that holds keys, with the crash reports of the runtime enabled.
@Suite(.onRealServers)
struct CrashTests {
    /// The report of the runtime would show registers and the memory that they point to.
    @Test(arguments: [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGQUIT])
    func aCrashPrintsNoMemory(number: Int32) async throws {
        let folder = try TemporaryFolder()
        // Nothing is written to the pipe, so that the program waits with the key in its memory.
        let pipe = folder.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let program = try Program(
            try Settings.required().binary, ["wrap", "-n", "payments", "-f", pipe],
            environment: [
                "SB_WRAP_MASTER_KEY": BadInputTests.masterKey,
                "SWIFT_BACKTRACE": "enable=yes,color=no,threads=all,registers=all",
            ])
        // This end can be opened once the program has opened the other.
        let end = try await eventually("the program reads") {
            let end = open(pipe, O_WRONLY | O_NONBLOCK)
            return end >= 0 ? end : nil
        }
        defer { close(end) }
        program.signal(number)
        let outcome = try await program.outcome()
        #expect(outcome.status == 128 + number)
        #expect(outcome.output == "")
        #expect(outcome.errors == "")
    }
}
