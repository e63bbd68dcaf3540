import Foundation

/// Runs Tests/Clients/wrapped_secret.py: the Python client of the KMS, with an independent implementation of the envelope.
struct IndependentClient {
    /// The settings of the KMS.
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

/// Runs Tests/Clients/denying_webhook.py.
final class DenyingWebhook {
    let url: String
    /// The certificate as PEM in base64.
    let certificate: String
    private let program: Program

    init() async throws {
        let settings = try Settings.required()
        let program = try Program(
            settings.python, ["\(settings.repository)/Tests/Clients/denying_webhook.py"])
        let lines = try await eventually("the webhook listens") {
            let lines = program.output.split(separator: "\n")
            return lines.count == 2 && program.output.hasSuffix("\n") ? lines : nil
        }
        url = "https://127.0.0.1:\(lines[0])/"
        certificate = String(lines[1])
        self.program = program
    }

    deinit { program.signal(SIGTERM) }
}
