import System

/// Detects a stalled watch, for metrics and readiness. Safe to use from any thread.
///
/// A complete list, an event and a bookmark are progress. An opened connection is not: a watch that opens and fails at the
/// same place again and again would look healthy.
package final class WatchProgress: Sendable {
    package struct Stall: Sendable, Equatable {
        package let duration: Duration
        /// The number of failures and unreadable lines since the last progress.
        package let failures: Int
        /// The reason of the last failure.
        package let reason: String
    }

    private struct State {
        var lastProgress: Double?
        var stalled: (since: SuspendingClock.Instant, failures: Int, reason: String)?
    }

    private let state = Locked(State())
    private let now: @Sendable () -> SuspendingClock.Instant
    private let wallClock: @Sendable () -> Double

    /// - Parameter wallClock: returns seconds since 1970.
    package init(
        now: @escaping @Sendable () -> SuspendingClock.Instant = { .now },
        wallClock: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.wallClock = wallClock
    }

    /// The time of the last progress in seconds since 1970, or nil if there was none.
    package var lastProgress: Double? { state.withLock { $0.lastProgress } }

    /// The current stall, or nil if nothing has failed since the last progress.
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
