import Foundation
import TestSupport
import Testing

/// A child process. Its output goes to files, so that it never blocks on a full pipe.
///
/// Foundation's `Process` is not used because it reports the end of a program only after its daemons have ended.
final class Program {
    struct Outcome: Sendable {
        /// The exit code, or 128 plus the number of the signal that ended the program.
        let status: Int32
        let output: String
        let errors: String
    }

    private let name: String
    private let folder: TemporaryFolder
    let pid: pid_t
    private var status: Int32?

    /// - Parameters:
    ///   - executable: a path.
    ///   - environment: variables that are added to those of this process, of which the settings of a KMS are removed.
    init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], input: Data = Data()
    ) throws {
        name = ([executable.split(separator: "/").last.map(String.init) ?? executable] + arguments.prefix(1))
            .joined(separator: " ")
        folder = try TemporaryFolder()
        try folder.write("in", input)
        let inherited = ProcessInfo.processInfo.environment.filter { variable in
            !["SB_", "AWS_", "BAO_", "VAULT_"].contains { variable.key.hasPrefix($0) }
        }
        let variables = inherited.merging(environment) { _, new in new }.map { "\($0.key)=\($0.value)" }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let write = O_WRONLY | O_CREAT | O_TRUNC
        for (file, (name, mode)) in [("in", O_RDONLY), ("out", write), ("err", write)].enumerated() {
            posix_spawn_file_actions_addopen(
                &actions, Int32(file), folder.path(name), mode, 0o600)
        }
        // The program must not inherit the signal settings of the test runner.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let argumentPointers = ([executable] + arguments).map { strdup($0) } + [nil]
        let variablePointers = variables.map { strdup($0) } + [nil]
        defer { for pointer in argumentPointers + variablePointers { free(pointer) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, executable, &actions, &attributes, argumentPointers, variablePointers)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EINVAL) }
        pid = child
    }

    deinit {
        if isRunning {
            kill(pid, SIGKILL)
            var state: Int32 = 0
            waitpid(pid, &state, 0)
        }
    }

    var isRunning: Bool {
        guard status == nil else { return false }
        var state: Int32 = 0
        guard waitpid(pid, &state, WNOHANG) == pid else { return true }
        // wait(2)
        status = state & 0x7F == 0 ? state >> 8 & 0xFF : 128 + state & 0x7F
        return false
    }

    /// The output so far.
    var output: String { contents("out") }
    var errors: String { contents("err") }

    func signal(_ number: Int32) {
        if isRunning { kill(pid, number) }
    }

    /// Waits for the end of the program.
    func outcome(within limit: Duration = .seconds(120)) async throws -> Outcome {
        let status = try await eventually("\(name) ends", within: limit) { isRunning ? nil : self.status }
        return Outcome(status: status, output: output, errors: errors)
    }

    private func contents(_ name: String) -> String {
        let data = try? Data(contentsOf: URL(filePath: folder.path(name)))
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}

/// A program that was expected to succeed failed.
struct ProgramFailure: Error, CustomStringConvertible {
    let command: String
    let outcome: Program.Outcome

    var description: String { "\(command): exit code \(outcome.status): \(outcome.errors)" }
}

/// Runs the tested program to its end with these settings only, and checks its exit code.
///
/// - Parameter canary: a text that must not be in its errors.
func secretsBridge(
    _ arguments: [String], _ environment: [String: String], input: Data = Data(), status: Int32 = 0,
    canary: String? = nil, location: SourceLocation
) async throws -> Program.Outcome {
    let outcome = try await Program(
        try Settings.required().binary, arguments, environment: environment, input: input
    ).outcome()
    #expect(
        outcome.status == status, "\(arguments): \(outcome.output)\(outcome.errors)", sourceLocation: location
    )
    if let canary { #expect(!outcome.errors.contains(canary), sourceLocation: location) }
    return outcome
}

struct Timeout: Error, CustomStringConvertible {
    let what: String
    /// The last error of the probe, if it threw one.
    let last: String?

    var description: String { "did not happen in time: \(what)\(last.map { " (\($0))" } ?? "")" }
}

/// Calls `probe` until it returns a value. An error counts as "not yet", because servers restart during these tests.
/// The limit ends a failing test; no test measures durations with it.
func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(90), _ probe: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + limit
    var last: String?
    repeat {
        do {
            if let value = try await probe() { return value }
            last = nil
        } catch let error as CancellationError {
            throw error
        } catch {
            last = "\(error)"
        }
        try await Task.sleep(for: .milliseconds(25))
    } while ContinuousClock.now < end
    throw Timeout(what: what, last: last)
}

func eventually(
    _ what: String, within limit: Duration = .seconds(90), _ probe: () async throws -> Bool
) async throws {
    _ = try await eventually(what, within: limit) { try await probe() ? true : nil }
}
