import System

/// Collects elements from several tasks, for which a test can wait.
package final class Recorder<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var waiters:
            [(enough: @Sendable ([Element]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Locked(State())

    package init() {}

    package var elements: [Element] { state.withLock { $0.elements } }

    package func append(_ element: Element) {
        let ready = state.withLock { state in
            state.elements.append(element)
            let elements = state.elements
            let ready = state.waiters.filter { $0.enough(elements) }.map(\.continuation)
            state.waiters.removeAll { $0.enough(elements) }
            return ready
        }
        for continuation in ready { continuation.resume() }
    }

    /// Returns when `enough` is true for the collected elements.
    package func wait(until enough: @escaping @Sendable ([Element]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isEnough = state.withLock { state in
                if enough(state.elements) { return true }
                state.waiters.append((enough, continuation))
                return false
            }
            if isEnough { continuation.resume() }
        }
    }

    package func wait(for count: Int) async {
        await wait { $0.count >= count }
    }
}
