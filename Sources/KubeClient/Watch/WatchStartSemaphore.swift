import System

/// Bounds how many lists and watches begin at once, over all watchers of a process: an API server answers a thousand
/// at once with 429. Those that wait get their turn in order of arrival.
///
/// A slot is for beginning only, and comes back after `longest` in any case: no request that hangs holds up others.
package final class WatchStartSemaphore: Sendable {
    private typealias Waiter = CheckedContinuation<Bool, Never>

    private struct State {
        var free: Int
        var waiting: [(id: UInt64, waiter: Waiter)] = []
        var nextID: UInt64 = 0
        /// Cancelled before they waited.
        var cancelled: Set<UInt64> = []
    }

    private let state: Locked<State>
    private let longest: Duration

    package init(_ count: Int = 16, longest: Duration = .seconds(10)) {
        state = Locked(State(free: max(count, 1)))
        self.longest = longest
    }

    /// Returns nil when the task was cancelled.
    func acquire() async -> WatchStartPermit? {
        let id = state.withLock { state in
            state.nextID &+= 1
            return state.nextID
        }
        let isMine = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: Waiter) in
                let answer: Bool? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return false }
                    guard state.free == 0 else {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((id, waiter))
                    return nil
                }
                if let answer { waiter.resume(returning: answer) }
            }
        } onCancel: {
            cancel(id)
        }
        // The handler may have come after the slot.
        state.withLock { _ = $0.cancelled.remove(id) }
        return isMine ? WatchStartPermit(self, longest) : nil
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

    fileprivate func giveBack() {
        let next = state.withLock { state -> Waiter? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().waiter
        }
        next?.resume(returning: true)
    }
}

/// A turn to begin. Given back once: by `end`, with its last reference, or when its time is over.
final class WatchStartPermit: Sendable {
    private let slots: WatchStartSemaphore
    private let isHeld = Locked(true)
    private let timer = Locked<Task<Void, Never>?>(nil)

    init(_ slots: WatchStartSemaphore, _ longest: Duration) {
        self.slots = slots
        let timer = Task { [weak self] in
            if (try? await Task.sleep(for: longest)) != nil { self?.release() }
        }
        self.timer.withLock { $0 = timer }
    }

    func release() {
        let wasHeld = isHeld.withLock { isHeld in
            defer { isHeld = false }
            return isHeld
        }
        if wasHeld { slots.giveBack() }
        timer.withLock { $0 }?.cancel()
    }

    deinit { release() }
}
