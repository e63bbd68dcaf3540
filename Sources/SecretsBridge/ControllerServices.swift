import ArgumentParser
import Concurrency
import Controller
import Envelope
import KMS
import Logging
import ServiceLifecycle
import Serving
import Settings
import System

/// `--metrics-address`
enum MetricsAddress: ExpressibleByArgument {
    case off
    case listen(ListenAddress)

    static let defaultAddress: MetricsAddress = ListenAddress(":8080").map { .listen($0) } ?? .off

    init?(argument: String) {
        if argument == "off" {
            self = .off
        } else if let address = ListenAddress(argument) {
            self = .listen(address)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        switch self {
        case .off: "off"
        case .listen(let address): "\(address)"
        }
    }
}

/// Serves metrics and health until all other services have stopped.
struct AdminService: Service {
    private let server: AdminServer?

    /// Starts to serve.
    init(_ address: MetricsAddress, _ telemetry: Telemetry, logger: Logger) throws {
        guard case .listen(let address) = address else {
            server = nil
            return
        }
        do {
            let server = try AdminServer(address) { telemetry.page($0) }
            logger.info("serving metrics and health", metadata: ["port": "\(server.port)"])
            self.server = server
        } catch {
            throw CommandError("cannot serve on --metrics-address \(address): \(error)")
        }
    }

    func run() async {
        // Returns at a graceful shutdown, or when the task is cancelled.
        try? await gracefulShutdown()
        await server?.stop()
    }
}

/// Tests each key, and logs whether it works. It runs beside the controller, which must start even if the KMS is down. A key
/// that does not work is tested again until it does.
struct KeySelfTestService: Service {
    let keys: KeyRing
    let logger: Logger

    func run() async {
        warnAboutLocalKeys()
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for manager in keys.all { group.addTask { await test(manager) } }
            }
        }
    }

    private func warnAboutLocalKeys() {
        guard keys.all.contains(where: { $0 is LocalKeyManager }),
            !Environment.process.isDevelopmentProfile
        else { return }
        logger.warning(
            """
            SB_KMS_BACKEND=local keeps the master key in this process and is for development only; use a \
            KMS, or set SB_ENV=dev to mark this as a development profile
            """)
    }

    /// Returns when the key works.
    private func test(_ manager: any KeyManager) async {
        var backoff = Backoff(base: .seconds(4), maximum: .seconds(60), jitter: .half)
        var loggedError: KeyManagerError?
        repeat {
            let problem: (message: Logger.Message, error: KeyManagerError)
            let result = await manager.diagnose()
            // The self-test may have resolved an alias to a key.
            let key: Logger.Metadata = ["key_id": "\(manager.keyID)"]
            switch result {
            case .passed:
                logger.info("keymgmt backend ready", metadata: key)
                return
            case .unwrapsOnly(let limit):
                logger.info("keymgmt backend ready", metadata: key)
                logger.warning("keymgmt backend could not be tested", metadata: key.with("reason", limit))
                return
            case .wrapsOnly(let error): problem = ("keymgmt backend may not unwrap", error)
            case .failed(let error): problem = ("keymgmt backend not ready", error)
            }
            if problem.error != loggedError, problem.error.code != .cancelled {
                logger.error(problem.message, metadata: key.with("error", problem.error.description))
                loggedError = problem.error
            }
        } while (try? await Task.sleep(for: backoff.next())) != nil
    }
}

extension Logger.Metadata {
    fileprivate func with(_ key: String, _ value: String) -> Logger.Metadata {
        merging([key: .string(value)]) { _, new in new }
    }
}
