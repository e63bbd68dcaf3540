/// Calls a step at times that the step itself chooses, and earlier when it is signalled. One task runs it; any thread may
/// signal.
package final class WakeableTimer: Sendable {
    private let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    package init() {
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Wakes `run`. Signals that come while a step runs cause one further step.
    package func signal() { continuation.yield() }

    /// Makes `run` return after the steps that are due.
    package func finish() { continuation.finish() }

    /// Calls `step` now, at each signal, and at the time that the last call returned, if it returned one. Returns when the
    /// task is cancelled or after `finish`.
    package func run(_ step: () async -> ContinuousClock.Instant?) async {
        var sleeper: Task<Void, Never>?
        signal()
        for await _ in signals {
            sleeper?.cancel()
            guard let next = await step() else { continue }
            sleeper = Task { [continuation] in
                if (try? await Task.sleep(until: next)) != nil { continuation.yield() }
            }
        }
        sleeper?.cancel()
    }
}
