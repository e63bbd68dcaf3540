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

    private struct State {
        var machine = UnwrapRateLimiterMachine(VerificationPacer.limit)
        /// The objects whose turn has come and is not over.
        var started: Set<ObjectRef> = []
    }

    private let state = Locked(State())

    /// Returns the time of the object's turn, or nil if it has come. The turn lasts until `forget`, so that an object that is
    /// throttled by another limit meanwhile takes no second one.
    func nextTurn(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> ContinuousClock.Instant? {
        state.withLock { state in
            guard !state.started.contains(ref) else { return nil }
            if let wait = state.machine.acquireToken(Self.queueKey(ref), now: now) { return wait.until }
            state.started.insert(ref)
            return nil
        }
    }

    /// Ends the turn of an object, or removes it from the queue.
    func forget(_ ref: ObjectRef) {
        state.withLock { state in
            state.started.remove(ref)
            state.machine.forget(Self.queueKey(ref))
        }
    }

    private static var limit: UnwrapRateLimit {
        var limit = UnwrapRateLimit()
        limit.rate = objectsPerSecond
        limit.burst = objectsPerSecond
        return limit
    }

    /// Puts all namespaces into one queue.
    private static func queueKey(_ ref: ObjectRef) -> ObjectRef {
        ObjectRef(namespace: "", name: "\(ref)")
    }
}
