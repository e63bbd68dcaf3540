import Foundation

/// Tests/Clients/denying_webhook.py, running.
final class DenyingWebhook {
    let url: String
    /// PEM, in base64.
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
