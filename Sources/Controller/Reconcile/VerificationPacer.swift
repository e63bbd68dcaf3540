import KubeClient
import System

/// The rate at which Secrets are verified by unwrapping when nothing is known of their data, and at which statuses are
/// told of proofs: in the background, so that a change of every Secret at once (a new encryption key of etcd, a label on
/// all of them) is no storm for the KMS. Objects wait in the order in which they came. Safe to use from any thread.
final class VerificationPacer: Sendable {
    /// Objects in a second.
    static let objectsPerSecond = 20

    private let machine = Locked(
        UnwrapRateLimiterMachine(
            {
                var limit = UnwrapRateLimit()
                limit.rate = VerificationPacer.objectsPerSecond
                limit.burst = VerificationPacer.objectsPerSecond
                return limit
            }()))

    /// When the turn of `ref` will be; nil if it is now.
    func nextTurn(_ ref: ObjectRef) -> ContinuousClock.Instant? {
        machine.withLock { $0.acquireToken(Self.queued(ref), now: .now)?.until }
    }

    /// `ref` waits no more.
    func forget(_ ref: ObjectRef) {
        machine.withLock { $0.forget(Self.queued(ref)) }
    }

    /// All namespaces share one line.
    private static func queued(_ ref: ObjectRef) -> ObjectRef {
        ObjectRef(namespace: "", name: "\(ref)")
    }
}
