import TestSupport
import Testing

@testable import Cryptography
@testable import System

struct ChildProcessTests {
    private func shell(_ script: String, limit: Int = 1 << 20, deadline: Duration = .seconds(500))
        -> ChildProcess
    {
        ChildProcess(
            executable: "/bin/sh", arguments: ["-c", script],
            environment: ["GREETING": "hello", "PATH": "/usr/bin:/bin"],
            isInteractive: false, outputLimit: limit, deadline: deadline)
    }

    @Test func returnsOutputAndExitCode() async throws {
        let result = try await shell("echo $GREETING; read x && echo input; exit 3").run()
        #expect(result.text == "hello\n")
        #expect(result.exitCode == 3)
        #expect(try await shell("kill -9 $$").run().exitCode == 137)
    }

    @Test func passesInputAndFilesInMemory() async throws {
        let files = (0..<5).map { SharedSecret(copying: "file \($0)\n".utf8) }
        let paths = files.indices.map(ChildProcess.memoryFilePath).joined(separator: " ")
        let result = try await ChildProcess(
            executable: "/bin/sh", arguments: ["-c", "cat; cat \(paths); cat \(paths); ls /proc/self/fd"],
            environment: ["PATH": "/usr/bin:/bin"], isInteractive: false, outputLimit: 1 << 20,
            deadline: .seconds(500), input: SharedSecret(copying: "input\n".utf8), memoryFiles: files
        ).run()
        let lines = result.text.split(separator: "\n").map(String.init)
        let names = files.indices.map { "file \($0)" }
        #expect(Array(lines.prefix(11)) == ["input"] + names + names)
        // The program has standard streams and the files; ls adds one for the folder.
        #expect(lines.dropFirst(11).compactMap { Int($0) }.sorted() == Array(0...8))
    }

    @Test func capturesErrorsUpToTheirLimit() async throws {
        func run(_ script: String) async throws -> ChildProcess.Completion {
            try await ChildProcess(
                executable: "/bin/sh", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"],
                isInteractive: false, outputLimit: 100, deadline: .seconds(500), errorLimit: 1000
            ).run()
        }
        let result = try await run("echo out; echo problem >&2; exit 2")
        #expect(result.text == "out\n")
        #expect(result.errors.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } == "problem\n")
        #expect(result.exitCode == 2)
        // The rest is discarded, and the program is not blocked.
        let long = try await run("head -c 300000 /dev/zero >&2; echo end")
        #expect(long.errors.count == 1000)
        #expect(long.text == "end\n")
    }

    @Test func limitsTheOutput() async throws {
        let result = try await shell("head -c 300000 /dev/zero").run()
        #expect(result.output.count == 300_000)
        await #expect(throws: ChildProcess.RunError.tooMuchOutput) {
            try await shell("cat /dev/zero", limit: 1000).run()
        }
    }

    @Test func killsTheProgramAndItsChildrenAtTheDeadline() async {
        let start = ContinuousClock.now
        await #expect(throws: ChildProcess.RunError.deadlineExceeded) {
            try await shell("sleep 600 & sleep 600", deadline: .milliseconds(100)).run()
        }
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    @Test func endsAProgramThatWritesErrorsWithoutEndAtTheDeadline() async {
        let start = ContinuousClock.now
        await #expect(throws: ChildProcess.RunError.deadlineExceeded) {
            // Captured, so that they do not fill the output of the tests.
            try await ChildProcess(
                executable: "/bin/sh", arguments: ["-c", "exec yes >&2"],
                environment: ["PATH": "/usr/bin:/bin"], isInteractive: false, outputLimit: 1 << 20,
                deadline: .milliseconds(100), errorLimit: 1000
            ).run()
        }
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    /// The run ends although a grandchild keeps the pipe open.
    @Test func returnsWhileAGrandchildHoldsThePipe() async throws {
        let start = ContinuousClock.now
        let result = try await shell(
            "echo done; sleep 600 & echo $!"
        ).run()
        #expect(result.text.hasPrefix("done\n") == true)
        #expect(ContinuousClock.now - start < .seconds(300))
        _ = try await shell("kill \(result.text.split(separator: "\n").last ?? "")").run()
    }

    @Test func inheritsNoDescriptors() async throws {
        let result = try await shell("ls /proc/self/fd").run()
        // 0, 1, 2 and the folder that ls reads.
        #expect(result.text.split(separator: "\n") == ["0", "1", "2", "3"])
    }

    @Test func failsForAMissingProgram() async {
        let process = ChildProcess(
            executable: "/no/such/program", arguments: [], environment: [:], isInteractive: false,
            outputLimit: 10,
            deadline: .seconds(5))
        await #expect(throws: ChildProcess.RunError.cannotStart(errno: 2)) { try await process.run() }
    }
}

extension ChildProcess.Completion {
    fileprivate var text: String { String(decoding: output.bytes.revealed(), as: UTF8.self) }
}
