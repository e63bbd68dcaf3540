import System

/// Whether a watch gets on: for metrics and readiness. Safe to use from any thread.
///
/// A complete list, an event and a bookmark are progress. A connection that opens is none: a watch that opens and breaks
/// off at the same place again and again would look well.
package final class WatchProgress: Sendable {
    package struct Stall: Sendable, Equatable {
        package let duration: Duration
        /// Failures and unreadable lines since the last progress.
        package let failures: Int
        /// The last one.
        package let reason: String
    }

    private struct State {
        var lastProgress: Double?
        var stalled: (since: SuspendingClock.Instant, failures: Int, reason: String)?
    }

    private let state = Locked(State())
    private let now: @Sendable () -> SuspendingClock.Instant
    private let wallClock: @Sendable () -> Double

    /// - Parameter wallClock: seconds since 1970.
    package init(
        now: @escaping @Sendable () -> SuspendingClock.Instant = { .now },
        wallClock: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.wallClock = wallClock
    }

    /// Seconds since 1970 of the last progress; nil: there has been none.
    package var lastProgress: Double? { state.withLock { $0.lastProgress } }

    /// Since when, and why, it has not got on; nil when nothing has gone wrong since the last progress.
    package var stall: Stall? {
        let now = now()
        return state.withLock { state in
            state.stalled.map {
                Stall(duration: now - $0.since, failures: $0.failures, reason: $0.reason)
            }
        }
    }

    func recordProgress() {
        let wall = wallClock()
        state.withLock { $0 = State(lastProgress: wall) }
    }

    func recordFailure(_ reason: String) {
        let now = now()
        state.withLock { state in
            let before = state.stalled
            state.stalled = (before?.since ?? now, (before?.failures ?? 0) + 1, reason)
        }
    }
}
