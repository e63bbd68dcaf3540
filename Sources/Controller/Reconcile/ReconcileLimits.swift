import KubeClient
import System

/// The limits that all reconciles of a process share.
struct ReconcileLimits: Sendable {
    /// Requests to the KMS, by namespace.
    let unwraps: UnwrapRateLimiter
    /// The memory of all reconciles in flight.
    let memory: ReconcileMemoryLimiter
    /// The reconciles that unwrap with providers.
    let providers: ProviderUnwrapLimiter
    let verifications = VerificationPacer()
}

/// Limits how many Secrets are verified by unwrapping, and how many statuses record a verification. A change of every
/// Secret at once (a new encryption key of etcd, a label on all of them) then becomes no burst of requests to the KMS.
/// Objects wait in FIFO order. Safe to use from any thread.
final class VerificationPacer: Sendable {
    static let objectsPerSecond = 20

    private let machine = Locked(
        UnwrapRateLimiterMachine(
            {
                var limit = UnwrapRateLimit()
                limit.rate = VerificationPacer.objectsPerSecond
                limit.burst = VerificationPacer.objectsPerSecond
                return limit
            }()))

    /// Returns the time of the object's turn, or nil if it has come.
    func nextTurn(_ ref: ObjectRef) -> ContinuousClock.Instant? {
        machine.withLock { $0.acquireToken(Self.queueKey(ref), now: .now)?.until }
    }

    /// Removes an object that does not wait any more.
    func forget(_ ref: ObjectRef) {
        machine.withLock { $0.forget(Self.queueKey(ref)) }
    }

    /// Puts all namespaces into one queue.
    private static func queueKey(_ ref: ObjectRef) -> ObjectRef {
        ObjectRef(namespace: "", name: "\(ref)")
    }
}
