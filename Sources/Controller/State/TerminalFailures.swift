import KubeClient
import Resources
import System

/// Objects that failed for a reason which only a change of theirs can mend. Each is tried once per process and state:
/// trying again would cost the KMS a call and end the same way. Safe to use from any thread.
final class TerminalFailures: Sendable {
    private struct Tried: Equatable {
        let uid: String?
        let generation: Int64?
        let annotations: [String: String]?

        init(_ object: ObjectMeta) {
            uid = object.uid
            generation = object.generation
            annotations = object.annotations
        }
    }

    private struct Entry {
        let tried: Tried
        /// What the status says of it.
        let status: WrappedSecretStatus
        /// When it is tried again all the same.
        let until: ContinuousClock.Instant?
    }

    private let entries = Locked<[ObjectRef: Entry]>([:])

    /// - Parameter retry: after how long it is tried again; nil if only a change of the object can help.
    func record(
        _ object: ObjectMeta, status: WrappedSecretStatus, retry: Duration? = nil,
        now: ContinuousClock.Instant = .now
    ) {
        entries.withLock {
            $0[object.ref] = Entry(tried: Tried(object), status: status, until: retry.map { now + $0 })
        }
    }

    /// The status of an object that has failed before in this very state, and need not be tried again. Another state is
    /// forgotten.
    func status(of object: ObjectMeta, now: ContinuousClock.Instant = .now) -> WrappedSecretStatus? {
        entries.withLock { entries in
            guard let known = entries[object.ref] else { return nil }
            if known.tried == Tried(object), known.until.map({ now < $0 }) ?? true { return known.status }
            entries[object.ref] = nil
            return nil
        }
    }

    /// How long until the object is tried again all the same; nil if it is not.
    func delayBeforeRetry(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> Duration? {
        entries.withLock { $0[ref]?.until }.map { max(now.duration(to: $0), .zero) }
    }

    func forget(_ ref: ObjectRef) {
        entries.withLock { $0[ref] = nil }
    }
}
