/// Wakes a task at instants that change: when the next one is due, or when it is rung because there is an
/// earlier one. One task runs it; any thread may ring.
final class WakeableTimer: Sendable {
    private let rings: AsyncStream<Void>
    private let bell: AsyncStream<Void>.Continuation

    init() {
        (rings, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func signal() { bell.yield() }

    /// Calls `step` now and whenever the alarm goes off; it does what is due and returns when it wants to be
    /// called next, nil: when rung. Returns when the task is cancelled.
    func run(_ step: () async -> ContinuousClock.Instant?) async {
        var sleeper: Task<Void, Never>?
        signal()
        for await _ in rings {
            sleeper?.cancel()
            guard let next = await step() else { continue }
            sleeper = Task { [bell] in
                if (try? await Task.sleep(until: next)) != nil { bell.yield() }
            }
        }
        sleeper?.cancel()
    }
}
