import Concurrency
package import KubeClient
import System

/// The keys of objects to reconcile. Workers take them with `processNext`; see `WorkQueueMachine` for the guarantees.
/// Thread-safe.
package final class WorkQueue: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// The object is reconciled until something changes.
        case done
        /// A transient failure: retry with exponential backoff.
        case requeueRateLimited
        /// A failure that lasts longer: retry with exponential backoff from this initial delay.
        case backOff(from: Duration)
        /// The object waits for memory, and is added again when it has a reservation. Its failures stay counted.
        case waitingForMemory
        /// The object waits until fewer others use its provider, and is added again then. Its failures stay counted.
        case waitingForProvider
        /// Reconcile again after this delay. Resets the count of failures.
        case requeue(after: Duration)
        /// The rate limit of the object's namespace allows no unwrap until this time. Its failures stay counted.
        case throttled(until: ContinuousClock.Instant)
    }

    private struct State {
        var machine = WorkQueueMachine<ObjectRef>(flow: \.namespace)
        var waiters: [CheckedContinuation<ObjectRef?, Never>] = []
    }

    private static let initialDelay = Duration.milliseconds(5)
    private let maximumDelay: Duration
    private let state = Locked(State())
    private let timer = WakeableTimer()

    /// - Parameter maximumDelay: the maximum of the exponential backoff.
    init(
        maximumDelay: Duration = .seconds(300),
        observe: (@Sendable (WorkQueueEvent<ObjectRef>) -> Void)? = nil
    ) {
        self.maximumDelay = maximumDelay
        state.withLock { $0.machine.observe = observe }
    }

    package var count: Int { state.withLock { $0.machine.count } }

    /// Returns the number of waiting keys, counting at most `limit` in all and `share(namespace)` in each namespace.
    func count(upTo limit: Int, share: (String) -> Int) -> Int {
        state.withLock { $0.machine.count(upTo: limit, share: share) }
    }

    /// - Parameter backlog: lets changes go first, as for the objects that a start finds.
    package func add(_ key: ObjectRef, backlog: Bool = false) {
        state.withLock { $0.machine.add(key, backlog ? .backlog : .change) }
        dispatch()
    }

    /// Adds an object that has a reservation, of memory or of its provider. It goes ahead of all others, so that the
    /// reservation ends soon.
    func addWithReservation(_ key: ObjectRef) {
        state.withLock { $0.machine.add(key, .reserved) }
        dispatch()
    }

    /// Waits for the next key and passes it to `body`. Returns false after the queue was shut down.
    package func processNext(_ body: (ObjectRef) async -> Outcome) async -> Bool {
        guard let key = await next() else { return false }
        let outcome = await body(key)
        finish(key, outcome)
        return true
    }

    /// Queues delayed keys when they are due. One task must run it while the queue is in use.
    package func run() async {
        await timer.run {
            let next = state.withLock { $0.machine.promoteDueKeys(now: .now) }
            dispatch()
            return next
        }
    }

    /// Drops the waiting keys. Workers stop after their current key.
    package func shutDown() {
        let waiters = state.withLock { state in
            state.machine.shutDown()
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: nil) }
        timer.finish()
    }

    private func next() async -> ObjectRef? {
        await withCheckedContinuation { continuation in
            let result: ObjectRef?? = state.withLock { state in
                if let key = state.machine.take() { return .some(key) }
                if state.machine.isShutDown { return .some(nil) }
                state.waiters.append(continuation)
                return .none
            }
            if let result { continuation.resume(returning: result) }
        }
    }

    private func finish(_ key: ObjectRef, _ outcome: Outcome) {
        state.withLock { state in
            switch outcome {
            case .done:
                state.machine.forget(key)
            case .requeueRateLimited:
                retry(key, from: Self.initialDelay, &state.machine)
            case .backOff(let first):
                retry(key, from: first, &state.machine)
            case .waitingForMemory, .waitingForProvider:
                break
            case .requeue(let delay):
                state.machine.forget(key)
                state.machine.add(key, at: .now + delay)
            case .throttled(let instant):
                state.machine.add(key, at: instant)
            }
            state.machine.done(key)
        }
        if outcome != .done { timer.signal() }
        dispatch()
    }

    private func retry(
        _ key: ObjectRef, from first: Duration, _ machine: inout WorkQueueMachine<ObjectRef>
    ) {
        let delay = machine.recordFailure(
            key, from: first, maximum: maximumDelay, random: .random(in: 0..<1))
        machine.add(key, at: .now + delay)
    }

    /// Passes keys to waiting workers.
    private func dispatch() {
        while true {
            let match: (CheckedContinuation<ObjectRef?, Never>, ObjectRef)? = state.withLock { state in
                guard !state.waiters.isEmpty, let key = state.machine.take() else { return nil }
                return (state.waiters.removeLast(), key)
            }
            guard let (waiter, key) = match else { return }
            waiter.resume(returning: key)
        }
    }
}
