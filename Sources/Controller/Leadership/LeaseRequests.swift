import KubeClient
import Logging
import System

/// Performs the requests of a `LeaseMachine`, each with a timeout, and logs once when they begin to fail and once when they
/// succeed again.
struct LeaseRequests<C: Clock>: Sendable where C.Duration == Duration {
    typealias Machine = LeaseMachine<C.Instant>

    private struct TimeoutError: Error {}

    let store: any LeaseStore
    let clock: C
    let logger: Logger
    private let outage = LogOnce()

    /// Returns the result of `effect`, which must be a request.
    func perform(_ effect: Machine.Effect, timeout: Duration) async -> Machine.Input {
        do {
            let input: Machine.Input
            switch effect {
            case .get:
                input = .found(try await withTimeout(timeout) { try await store.read() }.record)
            case .create(let claim):
                input = .written(try await write(LeaseChange(claim: claim, expectedVersion: nil), timeout))
            case .update(let claim, let version):
                input = .written(
                    try await write(LeaseChange(claim: claim, expectedVersion: version), timeout))
            case .wait, .stop:
                return .waitEnded
            }
            succeeded()
            return input
        } catch let error as KubeError {
            return input(for: error, effect)
        } catch {
            failed("no response within \(timeout)", code: "timeout")
            return .failed
        }
    }

    private func write(_ change: LeaseChange, _ timeout: Duration) async throws -> LeaseRecord {
        try await withTimeout(timeout) { try await store.write(change) }.record
    }

    private func input(for error: KubeError, _ effect: Machine.Effect) -> Machine.Input {
        switch (effect, error.code) {
        case (.get, .notFound):
            succeeded()
            return .notFound
        case (.create, .alreadyExists), (.update, .conflict), (.update, .notFound):
            succeeded()
            return .conflict
        default:
            if error.code != .cancelled { failed("\(error)", code: error.code.rawValue) }
            return .failed
        }
    }

    private func withTimeout<Value: Sendable>(
        _ timeout: Duration, _ request: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await request() }
            group.addTask {
                try await clock.sleep(until: clock.now.advanced(by: timeout), tolerance: nil)
                return nil
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() ?? nil else { throw TimeoutError() }
            return value
        }
    }

    private func failed(_ problem: String, code: String) {
        logger.log(
            level: outage.shouldLog(code) ? .warning : .debug, "lease cannot be used",
            metadata: ["error": "\(problem)"])
    }

    private func succeeded() {
        if let codes = outage.reset() {
            logger.info("lease can be used again", metadata: ["after": "\(codes)"])
        }
    }
}
