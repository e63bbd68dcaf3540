import Foundation
import System

/// Runs scripts in forks of one Python process (Tests/Clients/forks.py), which imports their modules once. It starts with the first
/// script, and ends with this process, when its standard input closes.
package final class PythonForks: Sendable {
    private struct Response: Decodable {
        let status: Int
        let output: String
    }

    private struct Running {
        let process: Process
        let input = Pipe()
        let output = Pipe()
        var unread = Data()
    }

    private let preparation: String
    private let running = Locked<Running?>(nil)

    /// - Parameter preparation: Code whose names all scripts see.
    package init(_ preparation: String) { self.preparation = preparation }

    /// Returns the output of a successful script, which inherits standard error. Scripts run one after the other.
    package func run(_ script: String, environment: [String: String] = [:]) throws -> String {
        let request: AnyJSON = [
            "script": .string(script), "environment": .object(environment.mapValues { .string($0) }),
        ]
        let line = try request.data() + Data("\n".utf8)
        let response = try running.withLock { running in
            var current = try running ?? start()
            try current.input.fileHandleForWriting.write(contentsOf: line)
            defer { running = current }
            return try JSONDecoder().decode(Response.self, from: try Self.readLine(&current))
        }
        guard response.status == 0 else {
            throw Python.Failure(description: "a Python script ended with status \(response.status)")
        }
        return response.output
    }

    private func start() throws -> Running {
        let running = Running(process: Process())
        running.process.executableURL = URL(filePath: "/usr/bin/env")
        running.process.arguments = [Python.program, "-B", "Tests/Clients/forks.py", preparation]
        running.process.currentDirectoryURL = Python.repository
        running.process.environment = ["PATH": "/usr/bin:/bin"]
        running.process.standardInput = running.input
        running.process.standardOutput = running.output
        try running.process.run()
        return running
    }

    private static func readLine(_ running: inout Running) throws -> Data {
        while true {
            if let end = running.unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { running.unread = Data(running.unread[(end + 1)...]) }
                return Data(running.unread[..<end])
            }
            let data = running.output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw Python.Failure(description: "forks.py ended") }
            running.unread += data
        }
    }
}
