package import Foundation

/// The interpreter of the independent implementations that tests compare with: `SB_TEST_PYTHON`, else the one that
/// hack/setup made, else `python3`. Tests that need a module are passed over where it is not there.
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

    /// `modules`: as `import` takes them.
    package static func hasModules(_ modules: String) -> Bool {
        (try? outcome(["-c", "import \(modules)"], errorsToo: true))?.status == 0
    }

    /// Runs it in the repository until it ends, and blocks meanwhile.
    ///
    /// - Parameters:
    ///   - environment: nil: that of the tests.
    ///   - errorsToo: what goes to standard error is part of the output, and not of the tests' own.
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

    /// What it prints when it succeeds.
    package static func run(
        _ arguments: [String], input: Data = Data(), environment: [String: String]? = nil
    ) throws -> Data {
        let outcome = try outcome(arguments, input: input, environment: environment)
        guard outcome.status == 0 else {
            throw Failure(description: "python ended with status \(outcome.status)")
        }
        return outcome.output
    }

    /// On a thread of its own, so that the other tests keep the threads they share.
    package static func runOnThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    private static let repository = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
}
