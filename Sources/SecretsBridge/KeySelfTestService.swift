import Envelope
import KMS
import Logging
import ServiceLifecycle
import System

/// Says which keys serve, after trying each of them for real. Runs beside the controller, as a KMS that is away
/// or hangs must not keep the controller away; a key that cannot be used is tried again until it can.
struct KeySelfTestService: Service {
    let keys: KeyRing
    let logger: Logger

    private static let firstPause = Duration.seconds(2)
    private static let longestPause = Duration.seconds(60)

    func run() async {
        warnOfLocalKeys()
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for manager in keys.all { group.addTask { await announce(manager) } }
            }
        }
    }

    private func warnOfLocalKeys() {
        guard keys.all.contains(where: { $0 is LocalKeyManager }),
            Environment.process.value("SB_ENV") != "dev"
        else { return }
        logger.warning(
            """
            SB_KMS_BACKEND=local keeps the master key in this process and is for development only; use a \
            KMS, or set SB_ENV=dev to mark this as a development profile
            """)
    }

    /// Returns when the key was announced as ready.
    private func announce(_ manager: any KeyManager) async {
        var pause = Self.firstPause
        var said: KeyManagerError?
        repeat {
            let problem: (what: Logger.Message, error: KeyManagerError)
            let result = await manager.selfTest()
            // Some find out only now what key their settings mean.
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
            if problem.error != said, problem.error.code != .cancelled {
                logger.error(problem.what, metadata: key.with("error", problem.error.description))
                said = problem.error
            }
            pause = min(pause * 2, Self.longestPause)
        } while (try? await Task.sleep(for: pause * Double.random(in: 0.5..<1))) != nil
    }
}

extension Logger.Metadata {
    fileprivate func with(_ key: String, _ value: String) -> Logger.Metadata {
        merging([key: .string(value)]) { _, new in new }
    }
}
