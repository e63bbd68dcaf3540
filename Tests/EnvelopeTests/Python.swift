import Foundation

/// The interpreter that runs hack/vectors.
enum Python {
    struct Outcome {
        let status: Int32
        /// Standard output and standard error together.
        let output: String
    }

    private static let configured = ProcessInfo.processInfo.environment["SB_TEST_PYTHON"]

    /// Whether the cross-checks run: where an interpreter was named, or where the usual one can serve.
    static let isAvailable =
        configured != nil || (try? wait(for: ["-c", "import cryptography"]))?.status == 0

    /// Runs the interpreter in the repository until it ends. Waits on a thread of its own, so that the other
    /// tests keep the threads they share.
    static func run(_ arguments: [String]) async throws -> Outcome {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try wait(for: arguments) })
            }
        }
    }

    private static func wait(for arguments: [String]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [configured ?? "python3", "-B"] + arguments
        process.currentDirectoryURL = VectorFile.repository
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
    }
}
