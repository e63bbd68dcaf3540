import Foundation
import TestSupport
import Testing

/// A crash of a process that holds keys, with the runtime's crash reports switched on.
@Suite("Crashes", .onRealServers)
struct CrashTests {
    /// The runtime's report has registers and the memory they point to.
    @Test(arguments: [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGQUIT])
    func aCrashShowsNoMemory(number: Int32) async throws {
        let folder = try TemporaryFolder()
        // Nothing is ever written to it: the program waits, with the key in its memory.
        let pipe = folder.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let program = try Program(
            try Settings.required().binary, ["wrap", "-n", "payments", "-f", pipe],
            environment: [
                "SB_WRAP_MASTER_KEY": BadInputTests.masterKey,
                "SWIFT_BACKTRACE": "enable=yes,color=no,threads=all,registers=all",
            ])
        // It has opened the pipe when this end can be opened.
        let end = try await eventually("the program reads") {
            let end = open(pipe, O_WRONLY | O_NONBLOCK)
            return end >= 0 ? end : nil
        }
        defer { close(end) }
        program.signal(number)
        let outcome = try await program.outcome()
        #expect(outcome.status == 128 + number)
        #expect(outcome.output == "" && outcome.errors == "")
    }
}
