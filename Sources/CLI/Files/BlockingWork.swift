import System

/// Work that blocks, as files that are made durable do, on threads of its own: it would hold up every task otherwise,
/// and a disk serves many at once better than one after the other.
enum BlockingWork {
    private struct State {
        var next = 0
        var threads: Int
    }

    /// Ends when `body` was called for every element.
    static func run<Element: Sendable>(
        _ elements: [Element], threads: Int, _ body: @escaping @Sendable (Element) -> Void
    ) async {
        guard !elements.isEmpty else { return }
        let count = min(max(threads, 1), elements.count)
        let state = Locked(State(threads: count))
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let work: @Sendable () -> Void = {
                while let element = state.withLock({ state in
                    defer { state.next += 1 }
                    return state.next < elements.count ? elements[state.next] : nil
                }) {
                    body(element)
                }
                let isLast = state.withLock { state in
                    state.threads -= 1
                    return state.threads == 0
                }
                if isLast { continuation.resume() }
            }
            // Where no thread is to be had, the work is done here.
            for _ in 0..<count where startThread(work) != 0 { work() }
        }
    }
}
