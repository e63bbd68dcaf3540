import System

/// A value that comes later and that any number of tasks wait for. Safe to use from any thread.
package final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [UInt64: CheckedContinuation<Value, Never>] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state = Locked(State())

    package init() {}

    /// Gives the value to all tasks that wait, and to those that ask later. Only the first call has an effect.
    package func fulfill(_ value: Value) {
        let waiters = state.withLock { state -> [CheckedContinuation<Value, Never>] in
            guard state.value == nil else { return [] }
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    /// Waits for the value.
    ///
    /// - Parameter fallback: The result if the calling task is cancelled first. Other tasks wait on.
    package func value(ifCancelled fallback: Value) async -> Value {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let value = state.withLock { state in
                    if state.value == nil { state.waiters[id] = waiter }
                    return state.value
                }
                if let value { return waiter.resume(returning: value) }
                // The handler may have run before the waiter was there to remove.
                if Task.isCancelled { cancel(id, fallback) }
            }
        } onCancel: {
            cancel(id, fallback)
        }
    }

    private func cancel(_ id: UInt64, _ fallback: Value) {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(returning: fallback)
    }
}

/// Runs an operation once for all tasks that ask for its result at the same time. Safe to use from any thread.
package final class SingleFlight<Value: Sendable>: Sendable {
    private let flight = Locked<Promise<Value>?>(nil)

    package init() {}

    /// Returns the result of the operation that is under way, or starts `operation` in a task of its own: a caller that is
    /// cancelled does not cancel it for the others, so that it has to end by itself.
    ///
    /// - Parameter fallback: The result if the calling task is cancelled first.
    package func run(
        ifCancelled fallback: Value, _ operation: @escaping @Sendable () async -> Value
    ) async -> Value {
        let (promise, isFirst) = flight.withLock { flight in
            if let flight { return (flight, false) }
            let promise = Promise<Value>()
            flight = promise
            return (promise, true)
        }
        if isFirst {
            Task {
                let value = await operation()
                flight.withLock { $0 = nil }
                promise.fulfill(value)
            }
        }
        return await promise.value(ifCancelled: fallback)
    }
}
