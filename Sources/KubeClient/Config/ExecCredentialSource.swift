import FoundationEssentials
import Glibc
import Primitives

/// Credentials that a program prints: client-go's exec plugins.
///
/// Guarantees: the program runs once however many tasks wait; a task that is cancelled stops waiting, the
/// program goes on for the others; an expired or refused credential is asked for anew; a failure is not kept.
actor ExecCredentialSource: CredentialSource {
    private struct Issued {
        let credential: Credential
        let expiration: Date?
    }

    private typealias Waiter = CheckedContinuation<Result<Credential, ConfigurationError>, Never>

    private let plugin: ExecPlugin
    private let deadline: Duration
    private let now: @Sendable () -> Date
    private var issued: Issued?
    private var generation: UInt64 = 0
    private var isRunning = false
    private var waiters: [UInt64: Waiter] = [:]
    private var nextWaiter: UInt64 = 0

    /// A token that ends within this time might end on its way.
    static let leeway: Double = 10
    static let maximumOutput = 1 << 20

    init(
        plugin: ExecPlugin, deadline: Duration = .seconds(60),
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.plugin = plugin
        self.deadline = deadline
        self.now = now
    }

    func credential() async throws(ConfigurationError) -> Credential {
        if let issued, issued.expiration.map({ now().addingTimeInterval(Self.leeway) < $0 }) ?? true {
            return issued.credential
        }
        let id = nextWaiter
        nextWaiter += 1
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                waiters[id] = waiter
                start()
            }
        } onCancel: {
            Task { await self.abandon(id) }
        }
        return try result.get()
    }

    func invalidate(_ used: Credential) async {
        if issued?.credential.generation == used.generation { issued = nil }
    }

    private func abandon(_ id: UInt64) {
        let error = ConfigurationError(.cancelled, "cancelled while waiting for a credential plugin")
        waiters.removeValue(forKey: id)?.resume(returning: .failure(error))
    }

    /// The flight has a task of its own: no waiter may cancel it for the others.
    private func start() {
        guard !isRunning else { return }
        isRunning = true
        Task {
            let result: Result<Credential, ConfigurationError>
            do throws(ConfigurationError) {
                result = .success(try await run())
            } catch {
                result = .failure(error)
            }
            isRunning = false
            let waiting = waiters.values
            waiters = [:]
            for waiter in waiting { waiter.resume(returning: result) }
        }
    }

    private func run() async throws(ConfigurationError) -> Credential {
        let executable = try plugin.locate { access($0, X_OK) == 0 }
        var environment = plugin.environment
        environment["KUBERNETES_EXEC_INFO"] = ExecCredentialMessage.request(to: plugin)
        let process = ChildProcess(
            executable: executable, arguments: plugin.arguments, environment: environment,
            isInteractive: plugin.isInteractive, outputLimit: Self.maximumOutput, deadline: deadline)
        let result: ChildProcess.Result
        do throws(ChildProcess.Failure) {
            result = try await process.run()
        } catch {
            throw failure(error)
        }
        guard result.status == 0 else {
            throw plugin.failure(
                "\(plugin.command) ended with exit code \(result.status); see its messages on standard error")
        }
        let status = try ExecCredentialMessage.status(in: result.output.bytes, from: plugin)
        generation += 1
        let credential = Credential(
            authorization: status.authorization, clientCertificate: status.clientCertificate,
            generation: generation)
        issued = Issued(credential: credential, expiration: status.expiration)
        return credential
    }

    private func failure(_ failure: ChildProcess.Failure) -> ConfigurationError {
        switch failure {
        case .cannotStart(let code):
            plugin.failure("cannot run \(plugin.command): \(systemMessage(code))")
        case .deadlineExceeded:
            plugin.failure(
                "\(plugin.command) did not end within \(deadline.components.seconds) s and was killed")
        case .tooMuchOutput:
            plugin.failure("\(plugin.command) printed more than \(Self.maximumOutput) bytes and was killed")
        }
    }
}
