import Envelope
import System

/// Collects unwraps into batches and hands each caller its own result. Identical requests that are under way
/// are one; a caller that is cancelled leaves alone.
final class UnwrapBatcher: Sendable {
    typealias UnwrapResult = Result<UnwrappedKey, KeyManagerError>

    private struct State {
        var machine: BatchMachine<UnwrapRequest>
        /// Of every request that waits for its batch or is in one.
        var waiters: [UnwrapRequest: Waiters<UnwrapResult>] = [:]
        /// When the machine is called next; nil: when something is added.
        var wakesAt: ContinuousClock.Instant?
    }

    private let send: @Sendable ([UnwrapRequest]) async -> [UnwrapResult]
    private let state: Locked<State>

    /// `send`: one result for each request, in their order. Is called from several tasks at once, and must
    /// come to an end by itself.
    init(
        _ rules: BatchMachine<UnwrapRequest>.Policy = .init(),
        send: @escaping @Sendable ([UnwrapRequest]) async -> [UnwrapResult]
    ) {
        self.send = send
        state = Locked(State(machine: BatchMachine(rules)))
    }

    /// `more`: how many further requests are sure to come soon.
    func unwrap(
        _ request: UnwrapRequest, followedBy more: Int = 0
    ) async throws(KeyManagerError) -> UnwrappedKey {
        let cancelled = KeyManagerError(
            .cancelled, keyID: request.recipient.keyID, message: "cancelled while waiting for a data key")
        let result = await waiting { continuation, id in
            perform(state.withLock { join(&$0, request, more, continuation, id) })
        } leave: { id in
            self.leave(request, id, with: cancelled)
        }
        return try result.get()
    }

    private func join(
        _ state: inout State, _ request: UnwrapRequest, _ more: Int,
        _ continuation: Waiters<UnwrapResult>.Continuation, _ id: WaiterID
    ) -> BatchMachine<UnwrapRequest>.Action {
        let isNew = state.waiters[request] == nil
        state.waiters[request, default: Waiters()].add(continuation, id: id)
        guard isNew else { return .idle }
        return wake(&state, state.machine.add(request, followedBy: more, now: .now))
    }

    /// Of several calls for the machine, the earliest is kept.
    private func wake(
        _ state: inout State, _ step: BatchMachine<UnwrapRequest>.Action
    ) -> BatchMachine<UnwrapRequest>.Action {
        guard case .wait(let instant) = step else {
            if case .send = step { state.wakesAt = nil }
            return step
        }
        if let known = state.wakesAt, known <= instant { return .idle }
        state.wakesAt = instant
        return step
    }

    private func perform(_ step: BatchMachine<UnwrapRequest>.Action) {
        switch step {
        case .idle: break
        // The tasks belong to no caller: each may be cancelled, and the others' keys must still come.
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
        let step: BatchMachine<UnwrapRequest>.Action = state.withLock { state in
            // Sent meanwhile, or an earlier call was asked for.
            guard state.wakesAt == instant else { return .idle }
            state.wakesAt = nil
            return wake(&state, state.machine.advance(now: .now))
        }
        perform(step)
    }

    private func deliver(_ results: [UnwrapResult], to requests: [UnwrapRequest]) {
        let all = state.withLock { state in
            requests.map { request in
                var waiters = state.waiters.removeValue(forKey: request)
                return waiters?.takeAll() ?? []
            }
        }
        for (index, (request, waiters)) in zip(requests, all).enumerated() {
            let result =
                index < results.count
                ? results[index]
                : .failure(
                    KeyManagerError(
                        .unavailable, keyID: request.recipient.keyID, message: "no result came for the key"))
            for waiter in waiters { waiter.resume(returning: result) }
        }
    }

    private func leave(_ request: UnwrapRequest, _ id: WaiterID, with error: KeyManagerError) {
        // An empty set of waiters stays, as the request is under way.
        let waiter = state.withLock { $0.waiters[request]?.remove(id) }
        waiter?.resume(returning: .failure(error))
    }
}
