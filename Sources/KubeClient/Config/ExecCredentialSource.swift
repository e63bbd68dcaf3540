import Cryptography
import FoundationEssentials
import Glibc
import System

/// Credentials that a program prints: client-go's exec plugins. An expired or refused credential makes the program run
/// again (`RenewableCredential`).
struct ExecCredentialSource: CredentialSource {
    private let renewable: RenewableCredential

    static let maximumOutputSize = 1 << 20

    init(
        plugin: ExecPlugin, deadline: Duration = .seconds(60),
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        renewable = RenewableCredential(from: "a credential plugin", now: now) {
            () async throws(ConfigurationError) in
            try await Self.run(plugin, deadline: deadline)
        }
    }

    func credential() async throws(ConfigurationError) -> Credential { try await renewable.credential() }

    func invalidate(_ used: Credential) async { await renewable.invalidate(used) }

    private static func run(
        _ plugin: ExecPlugin, deadline: Duration
    ) async throws(ConfigurationError) -> RenewableCredential.Issued {
        let executable = try plugin.locate { access($0, X_OK) == 0 }
        var environment = plugin.environment
        environment["KUBERNETES_EXEC_INFO"] = ExecCredentialMessage.request(to: plugin)
        let process = ChildProcess(
            executable: executable, arguments: plugin.arguments, environment: environment,
            isInteractive: plugin.isInteractive, outputLimit: maximumOutputSize, deadline: deadline)
        let result: ChildProcess.Completion
        do throws(ChildProcess.RunError) {
            result = try await process.run()
        } catch {
            throw failure(error, of: plugin, deadline)
        }
        guard result.exitCode == 0 else {
            throw plugin.error(
                "\(plugin.command) ended with exit code \(result.exitCode); see its messages on standard error"
            )
        }
        return try ExecCredentialMessage.status(in: result.output.bytes, from: plugin)
    }

    private static func failure(
        _ failure: ChildProcess.RunError, of plugin: ExecPlugin, _ deadline: Duration
    ) -> ConfigurationError {
        switch failure {
        case .cannotStart(let code):
            plugin.error("cannot run \(plugin.command): \(systemMessage(code))")
        case .deadlineExceeded:
            plugin.error(
                "\(plugin.command) did not end within \(deadline.components.seconds) s and was killed")
        case .tooMuchOutput:
            plugin.error("\(plugin.command) printed more than \(maximumOutputSize) bytes and was killed")
        }
    }
}
