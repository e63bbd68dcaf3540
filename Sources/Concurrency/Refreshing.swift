import System

/// A value that expires, such as a token: fetched when it is first needed, refreshed ahead of its end, renewed where
/// the source can prolong it, and replaced after a server denied it. `RefreshMachine` decides when. Safe to use from
/// any thread.
///
/// One fetch or renewal runs at a time, in a task of its own: a task that waits for it and is cancelled stops waiting,
/// and the others get the value. So `fetch` and `renew` must have deadlines of their own.
package final class Refreshing<Value: Sendable, Failure: RefreshFailure>: Sendable {
    private typealias Machine = RefreshMachine<Value, Failure>
    private typealias Outcome = Result<Refreshed<Value>, Failure>

    private struct State {
        var machine: Machine
        /// Present while tasks wait for the refresh that is under way.
        var promise: Promise<Outcome>?
    }

    private let policy: RefreshPolicy
    private let now: @Sendable () -> ContinuousClock.Instant
    private let cancelled: Failure
    private let fetch: @Sendable () async throws(Failure) -> Grant<Value>
    private let renew: @Sendable (Value) async throws(Failure) -> Grant<Value>
    private let state: Locked<State>
    private let timer = WakeableTimer()

    /// - Parameters:
    ///   - initial: A value that is already known.
    ///   - cancelled: The error for a task that is cancelled while it waits.
    ///   - fetch: Gets a new value.
    ///   - renew: Prolongs the life of a value whose grant is renewable. The value itself stays.
    package init(
        _ policy: RefreshPolicy = RefreshPolicy(), initial: Grant<Value>? = nil, cancelled: Failure,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        renew: (@Sendable (Value) async throws(Failure) -> Grant<Value>)? = nil,
        fetch: @escaping @Sendable () async throws(Failure) -> Grant<Value>
    ) {
        self.policy = policy
        self.now = now
        self.cancelled = cancelled
        self.fetch = fetch
        self.renew = renew ?? { _ throws(Failure) in try await fetch() }
        var machine = Machine(policy)
        if let initial { _ = machine.succeeded(initial, now: now(), random: .random(in: 0..<1)) }
        state = Locked(State(machine: machine))
    }

    /// Returns the value at hand, or waits for the next one.
    ///
    /// - Throws: The error of the fetch. It is repeated, without another fetch, until the next one is due.
    package func value() async throws(Failure) -> Refreshed<Value> {
        let now = now()
        let (outcome, refresh, promise) = state.withLock { state in
            Self.request(&state, cancelled: cancelled, now)
        }
        if let refresh { start(refresh) }
        guard let promise else { return try outcome.get() }
        return try await promise.value(ifCancelled: outcome).get()
    }

    /// Records that a server answered 401 or 403 to a value, which `value` then does not return any more. A server that
    /// denies each new value, too, does not cause a fetch each time.
    ///
    /// - Parameter scope: The subject of the denial, such as a path. Denials of each scope are counted separately.
    /// - Returns: True if `value` may return another value now, so that the request is worth repeating.
    package func recordDenial(ofGeneration generation: UInt64, scope: String = "") -> Bool {
        let now = now()
        return state.withLock { $0.machine.denied(generation: generation, scope: scope, now: now) }
    }

    /// Records the denial of a value of which the caller does not know the generation.
    ///
    /// - Parameter isDenied: Returns true for the denied value. If it is not the current one, another value is
    ///   available.
    /// - Returns: True if `value` may return another value now.
    package func recordDenial(of isDenied: (Value) -> Bool) -> Bool {
        let generation = state.withLock { $0.machine.generation(where: isDenied) }
        return generation.map { recordDenial(ofGeneration: $0) } ?? true
    }

    /// Records that a server accepted a value.
    package func recordSuccess(ofGeneration generation: UInt64, scope: String = "") {
        state.withLock { $0.machine.accepted(generation: generation, scope: scope) }
    }

    /// Refreshes the value ahead of its end even if no task asks for it. Returns when the task is cancelled.
    package func maintain() async {
        await timer.run {
            guard let due = state.withLock({ $0.machine.nextRefresh }) else { return nil }
            // A request starts the refresh that is due; at its end the timer is signalled.
            if due <= now() { _ = try? await value() }
            return state.withLock { $0.machine.nextRefresh }
        }
    }

    /// Returns what to start and what to wait for. The outcome is the result if there is no promise, and else what a
    /// cancelled task gets.
    private static func request(
        _ state: inout State, cancelled: Failure, _ now: ContinuousClock.Instant
    ) -> (Outcome, Machine.Refresh?, Promise<Outcome>?) {
        var refresh: Machine.Refresh?
        switch state.machine.request(now: now) {
        case .serve(let value): return (.success(value), nil, nil)
        case .serveAndStart(let value, let refresh): return (.success(value), refresh, nil)
        case .fail(let failure): return (.failure(failure), nil, nil)
        case .start(let started): refresh = started
        case .wait: break
        }
        let promise = state.promise ?? Promise()
        state.promise = promise
        return (.failure(cancelled), refresh, promise)
    }

    private func start(_ refresh: Machine.Refresh) {
        Task { await perform(refresh) }
    }

    private func perform(_ refresh: Machine.Refresh) async {
        let started = now()
        let result: Result<Grant<Value>, Failure>
        do throws(Failure) {
            switch refresh {
            case .fetch: result = .success(try await fetch())
            case .renew(let value): result = .success(try await renew(value))
            }
        } catch {
            result = .failure(error)
        }
        let ended = now()
        let random = Double.random(in: 0..<1)
        let (next, promise, outcome) = state.withLock { state in
            let next: Machine.Refresh?
            let outcome: Outcome
            switch result {
            case .success(let grant):
                let start = policy.countsFromRequest ? started : ended
                let (served, refresh) = state.machine.succeeded(grant, now: start, random: random)
                (next, outcome) = (refresh, .success(served))
            case .failure(let failure):
                (next, outcome) = (
                    state.machine.failed(failure, now: ended, random: random), .failure(failure)
                )
            }
            // If another refresh follows, the tasks wait for that one.
            defer { if next == nil { state.promise = nil } }
            return (next, next == nil ? state.promise : nil, outcome)
        }
        if let next { start(next) }
        promise?.fulfill(outcome)
        timer.signal()
    }
}
