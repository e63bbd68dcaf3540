import Foundation

/// Tests/Clients/wrapped_secret.py: the KMS's own client for Python, and an envelope that is not ours.
struct IndependentClient {
    /// How it reaches the KMS.
    let environment: [String: String]

    func run(_ arguments: String..., input: String = "") async throws -> String {
        let settings = try Settings.required()
        let outcome = try await Program(
            settings.python, ["\(settings.repository)/Tests/Clients/wrapped_secret.py"] + arguments,
            environment: environment, input: Data(input.utf8)
        ).outcome()
        guard outcome.status == 0 else {
            throw ProgramFailure(command: "wrapped_secret.py", outcome: outcome)
        }
        return outcome.output
    }
}
