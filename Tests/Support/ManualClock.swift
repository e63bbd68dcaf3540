import System

/// A clock that a test advances.
package final class ManualClock: Clock, Sendable {
    package struct Instant: InstantProtocol, Sendable, CustomStringConvertible {
        package var offset: Duration

        package init(_ offset: Duration = .zero) { self.offset = offset }

        package func advanced(by duration: Duration) -> Instant { Instant(offset + duration) }
        package func duration(to other: Instant) -> Duration { other.offset - offset }
        package static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
        package var description: String { "\(offset)" }
    }

    private struct State {
        var now = Instant()
        var order = 0
        var sleepers: [Int: (deadline: Instant, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var cancelled: Set<Int> = []
    }

    private let state = Locked(State())
    /// The executor for tasks that this clock waits for.
    package let executor = CountingExecutor()
    /// The number of yields in each step to tasks on other executors.
    private static let turns = 20

    package init() {}

    package var now: Instant { state.withLock { $0.now } }
    package var minimumResolution: Duration { .nanoseconds(1) }

    package func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let id = nextID()
        try await withTaskCancellationHandler {
            try await wait(id, until: deadline)
        } onCancel: {
            let sleeper = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                return sleeper?.continuation
            }
            sleeper?.resume(throwing: CancellationError())
        }
    }

    /// Sleeps as work does that ignores its cancellation.
    package func sleepDespiteCancellation(until deadline: Instant) async {
        try? await wait(nextID(), until: deadline)
    }

    private func nextID() -> Int {
        state.withLock { state in
            state.order += 1
            return state.order
        }
    }

    private func wait(_ id: Int, until deadline: Instant) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let answer: Result<Void, any Error>? = state.withLock { state in
                if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                if deadline <= state.now { return .success(()) }
                state.sleepers[id] = (deadline, continuation)
                return nil
            }
            if let answer { continuation.resume(with: answer) }
        }
    }

    package func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.sorted { $0.key < $1.key }.map(\.value.continuation)
        }
        for continuation in due { continuation.resume() }
    }

    /// Advances in small steps until `condition` holds. Before each step the tasks of the executor run until they all wait, and
    /// tasks elsewhere get some turns.
    ///
    /// - Returns: False if it does not hold within `limit` of this clock.
    package func advance(
        within limit: Duration = .seconds(120), until condition: () -> Bool
    ) async throws -> Bool {
        let end = now.advanced(by: limit)
        while now < end {
            await executor.waitUntilIdle()
            if condition() { return true }
            for _ in 0..<Self.turns { await Task {}.value }
            await executor.waitUntilIdle()
            try Task.checkCancellation()
            advance(by: .milliseconds(50))
        }
        return condition()
    }
}
