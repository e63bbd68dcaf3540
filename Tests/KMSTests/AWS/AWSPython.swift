import Foundation
import TestSupport

/// Runs scripts with botocore, boto3 and moto.
enum AWSPython {
    static let isAvailable = Python.hasModules("boto3, botocore, moto")

    /// Runs scripts with boto3, whose default session has read the descriptions of KMS and IAM.
    static let forks = PythonForks(
        """
        import base64, boto3, json
        boto3.setup_default_session(region_name='eu-west-1')
        for service in 'kms', 'iam':
            boto3.client(service, aws_access_key_id='none', aws_secret_access_key='none')
        """)

    /// Returns the output of a script, which inherits standard error.
    static func run(
        _ script: String, input: Data = Data(), environment: [String: String] = [:]
    ) throws -> String {
        // The user's AWS settings must not affect the tests.
        let environment = ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }
        return String(
            decoding: try Python.run(["-c", script], input: input, environment: environment), as: UTF8.self)
    }

    static func runOnThread(_ script: String, input: Data = Data()) async throws -> String {
        try await Python.runOnThread { try run(script, input: input) }
    }
}
