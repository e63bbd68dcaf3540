import KubeClient
import Primitives

/// The fight over each Secret, by its WrappedSecret. Safe to use from any thread.
final class Contests: Sendable {
    private let contests = Locked<[ObjectRef: Contest]>([:])

    /// See `Contest`.
    func truce(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> Duration? {
        contests.withLock { $0[ref]?.truce(now: now) }
    }

    func repaired(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) {
        contests.withLock { $0[ref, default: Contest()].repaired(now: now) }
    }

    func forget(_ ref: ObjectRef) {
        contests.withLock { $0[ref] = nil }
    }

    /// Who changed the data beside us, as the API server names them; for a message.
    static func rivals(_ secret: ObjectMeta) -> String {
        let others = (secret.managedFields ?? []).filter { $0.manager != KubeClient.fieldManager }
        let writers = others.filter { !$0.data.isEmpty }
        let names = Set((writers.isEmpty ? others : writers).map(\.manager)).sorted().prefix(4)
        return names.isEmpty ? "another writer" : names.joined(separator: ", ")
    }
}
