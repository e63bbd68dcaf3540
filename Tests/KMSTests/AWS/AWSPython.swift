import Foundation
import TestSupport
import Testing

/// The Python that has botocore, boto3 and moto: `SB_TEST_PYTHON`, else the one that hack/setup made. Tests that
/// need it are passed over where it is not there.
enum AWSPython {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let program: String = {
        let environment = ProcessInfo.processInfo.environment
        if let program = environment["SB_TEST_PYTHON"] { return program }
        let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
        return cache + "/secrets-bridge/venv/bin/python"
    }()

    static let isAvailable = (try? run("import boto3, botocore.auth, moto.server")) != nil

    /// What a script prints; its other output goes where the tests' goes.
    static func run(
        _ script: String, input: Data = Data(), environment: [String: String] = [:]
    ) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program, "-c", script]
        // Nothing of the person's own AWS settings.
        process.environment = ["PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"].merging(environment) {
            $1
        }
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: folder.write("input", input)))
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "python ended with status \(process.terminationStatus)")
        }
        return String(decoding: text, as: UTF8.self)
    }
}
