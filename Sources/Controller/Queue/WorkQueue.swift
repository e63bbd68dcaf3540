package import KubeClient
import System

/// Keys of objects to reconcile. Any thread may add; workers take with `processNext`. See `WorkQueueMachine`
/// for what the queue guarantees.
package final class WorkQueue: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// Nothing more to do until something changes.
        case done
        /// It failed in a way that may pass: again, later each time.
        case requeueRateLimited
        /// It failed for a reason that does not pass in milliseconds: again after about this long, and later each
        /// time.
        case backOff(from: Duration)
        /// It waits for memory, and is added again when that is reserved for it. Says nothing about its failures.
        case waitingForMemory
        /// Again after this long, without counting as a failure.
        case requeue(after: Duration)
        /// It has to wait for its namespace's share of the KMS, which is there at this time. Says nothing about its
        /// failures.
        case throttled(until: ContinuousClock.Instant)
    }

    private struct State {
        var machine = WorkQueueMachine<ObjectRef>(flow: \.namespace)
        var takers: [CheckedContinuation<ObjectRef?, Never>] = []
    }

    private static let shortestDelay = Duration.milliseconds(5)
    /// Delays after a failure: 5 ms, or what the outcome says, doubled each time up to `maximum`, with jitter.
    private let maximumDelay: Duration
    private let state = Locked(State())
    private let alarms: AsyncStream<Void>
    private let alarm: AsyncStream<Void>.Continuation

    package convenience init(maximumDelay: Duration = .seconds(300)) {
        self.init(maximumDelay: maximumDelay, observe: nil)
    }

    init(maximumDelay: Duration, observe: (@Sendable (WorkQueueEvent<ObjectRef>) -> Void)?) {
        self.maximumDelay = maximumDelay
        state.withLock { $0.machine.observe = observe }
        (alarms, alarm) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package var count: Int { state.withLock { $0.machine.count } }

    /// Keys that wait, no more than `limit`, and of each namespace no more than `share` allows.
    func count(upTo limit: Int, share: (String) -> Int) -> Int {
        state.withLock { $0.machine.count(upTo: limit, share: share) }
    }

    /// `backlog`: behind whatever changes meanwhile, as at a start.
    package func add(_ key: ObjectRef, backlog: Bool = false) {
        state.withLock { $0.machine.add(key, backlog ? .backlog : .change) }
        serve()
    }

    /// Adds an object that others wait for, because memory has been reserved for it.
    func addWithReservedMemory(_ key: ObjectRef) {
        state.withLock { $0.machine.add(key, .reserved) }
        serve()
    }

    package func add(_ key: ObjectRef, after delay: Duration) {
        state.withLock { $0.machine.add(key, at: .now + delay) }
        alarm.yield()
    }

    /// Takes the next key, waits for one if need be, and gives it to `body`. Whatever `body` does, the key
    /// is free again afterwards. Returns false when the queue was shut down.
    package func processNext(_ body: (ObjectRef) async -> Outcome) async -> Bool {
        guard let key = await next() else { return false }
        let outcome = await body(key)
        finish(key, outcome)
        return true
    }

    /// Brings delayed keys in on time. To be run by one task for as long as the queue is used.
    package func run() async {
        await withDiscardingTaskGroup { group in
            // What the children sleep for; each is earlier than all before it, so the last one wakes first.
            var armed: [ContinuousClock.Instant] = []
            for await _ in alarms {
                let now = ContinuousClock.now
                let next = state.withLock { $0.machine.promoteDueKeys(now: now) }
                serve()
                while let first = armed.last, first <= now { armed.removeLast() }
                guard let next, armed.last.map({ next < $0 }) ?? true else { continue }
                armed.append(next)
                group.addTask { [alarm] in
                    if (try? await Task.sleep(until: next)) != nil { alarm.yield() }
                }
            }
            group.cancelAll()
        }
    }

    /// Drops what waits; workers end when they have finished what they are at.
    package func shutDown() {
        let takers = state.withLock { state in
            state.machine.shutDown()
            defer { state.takers = [] }
            return state.takers
        }
        for taker in takers { taker.resume(returning: nil) }
        alarm.finish()
    }

    private func next() async -> ObjectRef? {
        await withCheckedContinuation { continuation in
            let answer: ObjectRef?? = state.withLock { state in
                if let key = state.machine.take() { return .some(key) }
                if state.machine.isShutDown { return .some(nil) }
                state.takers.append(continuation)
                return .none
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    private func finish(_ key: ObjectRef, _ outcome: Outcome) {
        state.withLock { state in
            switch outcome {
            case .done:
                state.machine.forget(key)
            case .requeueRateLimited:
                state.machine.add(key, at: .now + pause(after: key, from: Self.shortestDelay, &state.machine))
            case .backOff(let first):
                state.machine.add(key, at: .now + pause(after: key, from: first, &state.machine))
            case .waitingForMemory:
                break
            case .requeue(let delay):
                state.machine.forget(key)
                state.machine.add(key, at: .now + delay)
            case .throttled(let instant):
                state.machine.add(key, at: instant)
            }
            state.machine.done(key)
        }
        if outcome != .done { alarm.yield() }
        serve()
    }

    /// Half of the exponential delay is fixed, so that a failing object cannot come back at once, and half
    /// is random, so that many do not come back together.
    private func pause(
        after key: ObjectRef, from first: Duration, _ machine: inout WorkQueueMachine<ObjectRef>
    ) -> Duration {
        var delay = first
        for _ in 1..<machine.recordFailure(key, from: first) where delay < maximumDelay { delay *= 2 }
        return min(delay, maximumDelay) * Double.random(in: 0.5...1)
    }

    /// Hands keys to waiting workers.
    private func serve() {
        while true {
            let match: (CheckedContinuation<ObjectRef?, Never>, ObjectRef)? = state.withLock { state in
                guard !state.takers.isEmpty, let key = state.machine.take() else { return nil }
                return (state.takers.removeLast(), key)
            }
            guard let (taker, key) = match else { return }
            taker.resume(returning: key)
        }
    }
}
