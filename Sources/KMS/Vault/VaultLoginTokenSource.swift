import Concurrency
import Cryptography
import System

/// A token from a login: Kubernetes, JWT or AppRole. One login serves all who wait for it, and a waiter that is
/// cancelled does not cancel it. See `TokenLeaseMachine` for when there is one.
final class VaultLoginTokenSource: VaultTokenSource {
    private typealias Outcome = Result<VaultToken, VaultError>

    private struct State {
        var machine = TokenLeaseMachine()
        var token: SharedSecret?
        var failure: VaultError?
        var waiters = Waiters<Outcome>()
    }

    private let request: VaultLoginRequest
    private let client: VaultClient
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Locked(State())
    private let alarm = WakeableTimer()

    init(
        _ method: VaultLoginMethod, mount: String, client: VaultClient,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        request = VaultLoginRequest(method: method, mount: mount)
        self.client = client
        self.now = now
    }

    func token() async throws(VaultError) -> VaultToken {
        let cancelled = VaultError(.cancelled, "cancelled while waiting for a Vault token")
        let outcome = await waiting { continuation, id in
            let (flight, answer) = state.withLock { state in demand(&state, continuation, id) }
            if let flight { start(flight) }
            if let answer { continuation.resume(returning: answer) }
        } leave: { id in
            self.leave(id, with: cancelled)
        }
        return try outcome.get()
    }

    func recordDenial(_ token: VaultToken, at path: String) -> Bool {
        let now = now()
        return state.withLock { $0.machine.refused(generation: token.generation, path: path, now: now) }
    }

    func recordSuccess(_ token: VaultToken, at path: String) {
        state.withLock { $0.machine.worked(generation: token.generation, path: path) }
    }

    func maintain() async {
        await alarm.run {
            let now = now()
            guard let due = state.withLock({ $0.machine.nextRenewal }) else { return nil }
            // Asking is what starts a renewal that is due; when it is over, the alarm rings.
            if due <= now { _ = try? await token() }
            return state.withLock { $0.machine.nextRenewal }
        }
    }

    /// What to start, and what to answer now; nil: the waiter was noted.
    private func demand(
        _ state: inout State, _ continuation: Waiters<Outcome>.Continuation, _ id: WaiterID
    ) -> (TokenLeaseMachine.Flight?, Outcome?) {
        let step = state.machine.demand(now: now())
        switch (step, state.token) {
        case (.serve, .some(let value)):
            return (nil, .success(VaultToken(value: value, generation: state.machine.generation)))
        case (.serveAndStart(let flight), .some(let value)):
            return (flight, .success(VaultToken(value: value, generation: state.machine.generation)))
        case (.start, _):
            state.waiters.add(continuation, id: id)
            return (.login, nil)
        case (.wait, _):
            state.waiters.add(continuation, id: id)
            return (nil, nil)
        case (.fail, _), (.serve, nil), (.serveAndStart, nil):
            return (
                nil, .failure(state.failure ?? VaultError(.serverError, "the last login to Vault failed"))
            )
        }
    }

    private func leave(_ id: WaiterID, with error: VaultError) {
        state.withLock { $0.waiters.remove(id) }?.resume(returning: .failure(error))
    }

    /// The flight has a task of its own, so that no waiter takes it along; its requests have deadlines.
    private func start(_ flight: TokenLeaseMachine.Flight) {
        Task { await fly(flight) }
    }

    private func fly(_ flight: TokenLeaseMachine.Flight) async {
        let result: Result<VaultLease, VaultError>
        // The lease runs since some moment after this one.
        let sent = now()
        do throws(VaultError) {
            let token = state.withLock { $0.token }
            switch (flight, token) {
            case (.renewal, .some(let token)): result = .success(try await VaultRenewal.renew(token, client))
            case (.renewal, nil), (.login, _): result = .success(try await request.login(client))
            }
        } catch {
            result = .failure(error)
        }
        let now = now()
        let jitter = Double.random(in: 0..<1)
        let (next, waiters, outcome) = state.withLock { state in
            var next: TokenLeaseMachine.Flight?
            switch result {
            case .success(let lease):
                next = state.machine.granted(
                    lease.duration, isRenewable: lease.isRenewable, now: sent, jitter: jitter)
                if flight == .login || state.token == nil { state.token = lease.token }
                state.failure = nil
            case .failure(let error):
                next = state.machine.failed(isOutage: error.isOutage, now: now, jitter: jitter)
                state.failure = error
            }
            let outcome = result.map {
                VaultToken(value: state.token ?? $0.token, generation: state.machine.generation)
            }
            return (next, next == nil ? state.waiters.takeAll() : [], outcome)
        }
        if let next { start(next) }
        for waiter in waiters { waiter.resume(returning: outcome) }
        alarm.signal()
    }
}
