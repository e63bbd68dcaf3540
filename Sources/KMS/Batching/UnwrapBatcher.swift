import Concurrency
import Envelope
import System

/// Collects unwraps into batches and gives each caller its own result. Callers with identical requests share one result.
/// When a caller is cancelled, its request stays in the batch.
final class UnwrapBatcher: Sendable {
    typealias UnwrapResult = Result<UnwrappedKey, KeyManagerError>
    private typealias Action = BatchMachine<UnwrapRequest>.Action

    private struct State {
        var machine: BatchMachine<UnwrapRequest>
        /// For each request that waits for its batch or is in one.
        var results: [UnwrapRequest: Promise<UnwrapResult>] = [:]
        /// The time of the next `tick`, if one is due.
        var wakesAt: ContinuousClock.Instant?
    }

    private let backlog: UnwrapBacklog
    private let send: @Sendable ([UnwrapRequest]) async -> [UnwrapResult]
    private let state: Locked<State>

    /// - Parameters:
    ///   - backlog: Counts the unwraps that will follow within moments: a batch waits for them.
    ///   - send: Returns one result for each request, in their order. Called from several tasks at once; must have a deadline.
    init(
        _ policy: BatchMachine<UnwrapRequest>.Policy = .init(), backlog: UnwrapBacklog = UnwrapBacklog(),
        send: @escaping @Sendable ([UnwrapRequest]) async -> [UnwrapResult]
    ) {
        self.backlog = backlog
        self.send = send
        state = Locked(State(machine: BatchMachine(policy)))
    }

    func unwrap(_ request: UnwrapRequest) async throws(KeyManagerError) -> UnwrappedKey {
        let cancelled = KeyManagerError(
            .cancelled, keyID: request.recipient.keyID, message: "cancelled while waiting for a data key")
        let backlog = backlog.count
        let (result, action) = state.withLock { add(request, backlog: backlog, to: &$0) }
        perform(action)
        return try await result.value(ifCancelled: .failure(cancelled)).get()
    }

    private func add(
        _ request: UnwrapRequest, backlog: Int, to state: inout State
    ) -> (Promise<UnwrapResult>, Action) {
        if let result = state.results[request] { return (result, .idle) }
        let result = Promise<UnwrapResult>()
        state.results[request] = result
        return (result, schedule(state.machine.add(request, backlog: backlog, now: .now), in: &state))
    }

    /// Keeps the earliest of several times to wake up.
    private func schedule(_ action: Action, in state: inout State) -> Action {
        guard case .wait(let instant) = action else {
            if case .send = action { state.wakesAt = nil }
            return action
        }
        if let known = state.wakesAt, known <= instant { return .idle }
        state.wakesAt = instant
        return action
    }

    /// The tasks belong to no caller: a caller that is cancelled must not take the others' data keys along.
    private func perform(_ action: Action) {
        switch action {
        case .idle: break
        case .wait(let instant):
            Task {
                try? await Task.sleep(until: instant)
                tick(instant)
            }
        case .send(let requests):
            Task { deliver(await send(requests), to: requests) }
        }
    }

    private func tick(_ instant: ContinuousClock.Instant) {
        let action: Action = state.withLock { state in
            // The batch was sent meanwhile, or an earlier time was scheduled.
            guard state.wakesAt == instant else { return .idle }
            state.wakesAt = nil
            return schedule(state.machine.advance(now: .now), in: &state)
        }
        perform(action)
    }

    private func deliver(_ results: [UnwrapResult], to requests: [UnwrapRequest]) {
        let promises = state.withLock { state in requests.map { state.results.removeValue(forKey: $0) } }
        for (index, request) in requests.enumerated() {
            let missing = KeyManagerError(
                .unavailable, keyID: request.recipient.keyID,
                message: "the KMS returned no result for the data key")
            promises[index]?.fulfill(index < results.count ? results[index] : .failure(missing))
        }
    }
}

/// Decides which requests go out together. Pure: instants come in, batches go out.
///
/// A single request waits for `window` only. While a backlog is announced, as at a start over thousands of objects, a batch
/// waits for a good part of it. In a steady stream of requests, a batch waits until it has a size that is worth a request, as
/// long as more requests keep coming.
struct BatchMachine<Item: Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    struct Policy: Sendable {
        /// The time that the first request of a batch waits for those of the same moment.
        var window = Duration.milliseconds(2)
        /// A batch of this size waits no longer than `window`.
        var targetSize = 100
        /// In a steady stream.
        var steadyWindow = BatchWindow(maximumGap: .milliseconds(25), maximumDelay: .milliseconds(500))
        /// While there is a backlog.
        var backlogWindow = BatchWindow(maximumGap: .milliseconds(250), maximumDelay: .seconds(2))
        var maximumSize = 200
    }

    struct BatchWindow: Sendable {
        /// The longest pause between two requests of one batch.
        var maximumGap: Duration
        /// The longest time that a request waits.
        var maximumDelay: Duration
    }

    enum Action {
        case send([Item])
        /// Call `advance` at this time.
        case wait(until: Instant)
        case idle
    }

    private let policy: Policy
    private var items: [Item] = []
    private var firstAddedAt: Instant?
    private var lastAddedAt: Instant?
    private var sentAt: Instant?
    /// As the latest request announced it.
    private var backlog = 0

    init(_ policy: Policy = Policy()) {
        self.policy = policy
    }

    /// - Parameter backlog: The number of further requests that will come within moments.
    mutating func add(_ item: Item, backlog: Int, now: Instant) -> Action {
        items.append(item)
        self.backlog = backlog
        if firstAddedAt == nil { firstAddedAt = now }
        lastAddedAt = now
        return advance(now: now)
    }

    mutating func advance(now: Instant) -> Action {
        guard let dueAt else { return .idle }
        guard now >= dueAt else { return .wait(until: dueAt) }
        defer {
            items = []
            firstAddedAt = nil
            lastAddedAt = nil
            sentAt = now
        }
        return .send(items)
    }

    private var dueAt: Instant? {
        guard let firstAddedAt, let lastAddedAt else { return nil }
        if items.count >= policy.maximumSize { return firstAddedAt }
        let window = firstAddedAt + policy.window
        guard items.count < policy.targetSize, let longer = longerWindow else { return window }
        return min(max(lastAddedAt + longer.maximumGap, window), firstAddedAt + longer.maximumDelay)
    }

    /// Nil if no further requests are expected.
    private var longerWindow: BatchWindow? {
        if backlog > items.count { return policy.backlogWindow }
        // Requests after a pause of this length are no steady stream.
        if let firstAddedAt, let sentAt, firstAddedAt - sentAt < policy.steadyWindow.maximumDelay {
            return policy.steadyWindow
        }
        return nil
    }
}
