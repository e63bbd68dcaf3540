import Envelope
import KubeClient
import System

/// Each namespace's share of the KMS; see `UnwrapRateLimiterMachine`. Safe to use from any thread.
final class UnwrapRateLimiter: Sendable {
    /// nil: no limit.
    private let machine: Locked<UnwrapRateLimiterMachine?>
    private let throttled: @Sendable () -> Void

    /// - Parameter throttled: is told of every unwrap that has to wait, once.
    init(_ limit: UnwrapRateLimit?, throttled: @escaping @Sendable () -> Void = {}) {
        machine = Locked(limit.map { UnwrapRateLimiterMachine($0) })
        self.throttled = throttled
    }

    /// nil: `ref` may ask the KMS for its data key, and is expected to.
    func acquireToken(_ ref: ObjectRef) -> UnwrapRateLimiterMachine.Wait? {
        let wait = machine.withLock { $0?.acquireToken(ref, now: .now) }
        if wait?.isFirstForObject == true { throttled() }
        return wait
    }

    /// What was taken for `ref` was not spent.
    func refundToken(_ ref: ObjectRef) {
        machine.withLock { $0?.refundToken(ref.namespace) }
    }

    /// `ref` does not wait any more.
    func forget(_ ref: ObjectRef) {
        machine.withLock { $0?.forget(ref) }
    }

    /// How many unwraps a namespace may still ask for at once.
    func availableTokens(_ namespace: String) -> Int {
        machine.withLock { $0?.availableTokens(namespace, now: .now) } ?? .max
    }
}

extension EnvelopeError {
    /// Whether the KMS was not asked, or did not serve.
    var refundsUnwrapToken: Bool {
        switch self {
        case .invalid, .unsupportedFormat, .noUsableRecipient: true
        case .keyManager(let error): error.code == .unavailable || error.code == .cancelled
        case .integrityFailed, .decryptFailed, .crypto: false
        }
    }
}
