import Foundation
import TestSupport

/// botocore, boto3 and moto.
enum AWSPython {
    static let isAvailable = Python.hasModules("boto3, botocore.auth, moto.server")

    /// What a script prints; its other output goes where the tests' goes.
    static func run(
        _ script: String, input: Data = Data(), environment: [String: String] = [:]
    ) throws -> String {
        // Nothing of the person's own AWS settings.
        let environment = ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }
        return String(
            decoding: try Python.run(["-c", script], input: input, environment: environment), as: UTF8.self)
    }

    static func runOnThread(_ script: String, input: Data = Data()) async throws -> String {
        try await Python.runOnThread { try run(script, input: input) }
    }
}
