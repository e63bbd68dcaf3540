package import Foundation

/// Runs the Python implementations that tests compare with. The interpreter is `SB_TEST_PYTHON`, the one that hack/setup
/// installed, or `python3`. Tests are skipped if a module is missing.
package enum Python {
    package struct Outcome: Sendable {
        package let status: Int32
        package let output: Data
        package var text: String { String(decoding: output, as: UTF8.self) }
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    package static let program: String = {
        let environment = ProcessInfo.processInfo.environment
        if let program = environment["SB_TEST_PYTHON"] { return program }
        let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
        let own = cache + "/secrets-bridge/venv/bin/python"
        return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
    }()

    /// Returns true if all modules are installed. It does not import them, which takes up to a second.
    ///
    /// - Parameter modules: The modules, separated by ", ".
    package static func hasModules(_ modules: String) -> Bool {
        let script =
            "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
        let arguments = ["-c", script] + modules.components(separatedBy: ", ")
        return (try? outcome(arguments, errorsToo: true))?.status == 0
    }

    /// Runs Python in the repository, and blocks until it ends.
    ///
    /// - Parameters:
    ///   - environment: The environment, instead of that of the tests.
    ///   - errorsToo: True to capture standard error too.
    package static func outcome(
        _ arguments: [String], input: Data = Data(), environment: [String: String]? = nil,
        errorsToo: Bool = false
    ) throws -> Outcome {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program, "-B"] + arguments
        process.currentDirectoryURL = repository
        if let environment { process.environment = environment }
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: folder.write("input", input)))
        let output = Pipe()
        process.standardOutput = output
        if errorsToo { process.standardError = output }
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, output: data)
    }

    /// Returns the output of a successful run.
    package static func run(
        _ arguments: [String], input: Data = Data(), environment: [String: String]? = nil
    ) throws -> Data {
        let outcome = try outcome(arguments, input: input, environment: environment)
        guard outcome.status == 0 else {
            throw Failure(description: "python ended with status \(outcome.status)")
        }
        return outcome.output
    }

    /// Runs `body` on its own thread, so that it does not block a thread of the concurrency pool.
    package static func runOnThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    package static let repository = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
}
