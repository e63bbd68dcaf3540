import Foundation
import TestSupport

/// The reader that our writer is checked against.
enum PyYAML {
    static let isInstalled = (try? run(["-c", "import yaml"], input: "")) != nil

    static func loadAsJSON(_ yaml: String) throws -> String {
        try run(
            [
                "-c",
                "import json,sys,yaml; print(json.dumps(yaml.safe_load(sys.stdin.buffer.read().decode('utf-8'))))",
            ], input: yaml)
    }

    private struct Failure: Error {}

    private static func run(_ arguments: [String], input: String) throws -> String {
        let folder = try TemporaryFolder()
        let file = URL(filePath: try folder.write("in", input))
        defer { withExtendedLifetime(folder) {} }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure() }
        return String(decoding: data, as: UTF8.self)
    }
}
