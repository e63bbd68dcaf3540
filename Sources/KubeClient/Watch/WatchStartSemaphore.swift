import System

/// Limits how many lists and watches start at the same time, over all watchers of a process: an API server answers a
/// thousand at once with 429. Waiters are served in FIFO order.
///
/// A permit is only for the start of a request and expires after a timeout, so that a request that hangs does not block the
/// others.
package final class WatchStartSemaphore: Sendable {
    /// Resumes with true if the permit was granted, and with false if the task was cancelled.
    private typealias Waiter = CheckedContinuation<Bool, Never>

    private struct State {
        var available: Int
        var waiting: [(id: UInt64, waiter: Waiter)] = []
        var nextID: UInt64 = 0
        /// The ids of the calls of `acquire` that were cancelled before they were queued.
        var cancelled: Set<UInt64> = []
    }

    private let state: Locked<State>
    private let timeout: Duration

    package init(_ count: Int = 16, timeout: Duration = .seconds(10)) {
        state = Locked(State(available: max(count, 1)))
        self.timeout = timeout
    }

    /// Waits for a permit. Returns nil if the task was cancelled.
    func acquire() async -> WatchStartPermit? {
        let id = state.withLock { state in
            state.nextID &+= 1
            return state.nextID
        }
        let isAcquired = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: Waiter) in
                let result: Bool? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return false }
                    guard state.available == 0 else {
                        state.available -= 1
                        return true
                    }
                    state.waiting.append((id, waiter))
                    return nil
                }
                if let result { waiter.resume(returning: result) }
            }
        } onCancel: {
            cancel(id)
        }
        // The cancellation handler may have run after the permit was granted.
        state.withLock { _ = $0.cancelled.remove(id) }
        return isAcquired ? WatchStartPermit(self, timeout) : nil
    }

    private func cancel(_ id: UInt64) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
                state.cancelled.insert(id)
                return nil
            }
            return state.waiting.remove(at: index).waiter
        }
        waiter?.resume(returning: false)
    }

    fileprivate func release() {
        let next = state.withLock { state -> Waiter? in
            guard !state.waiting.isEmpty else {
                state.available += 1
                return nil
            }
            return state.waiting.removeFirst().waiter
        }
        next?.resume(returning: true)
    }
}

/// Permission to start a list or a watch. It is released once: by `release`, with its last reference, or by its timeout.
final class WatchStartPermit: Sendable {
    private let semaphore: WatchStartSemaphore
    private let isHeld = Locked(true)
    private let timer = Locked<Task<Void, Never>?>(nil)

    init(_ semaphore: WatchStartSemaphore, _ timeout: Duration) {
        self.semaphore = semaphore
        let timer = Task { [weak self] in
            if (try? await Task.sleep(for: timeout)) != nil { self?.release() }
        }
        self.timer.withLock { $0 = timer }
    }

    func release() {
        let wasHeld = isHeld.withLock { isHeld in
            defer { isHeld = false }
            return isHeld
        }
        if wasHeld { semaphore.release() }
        timer.withLock { $0 }?.cancel()
    }

    deinit { release() }
}
