import UnixSignals

/// Runs `body` until it is done, or until SIGINT or SIGTERM cancels its task; it is waited for in any case. Whether it
/// was cut short.
func untilInterrupted(_ body: @escaping @Sendable () async throws -> Void) async throws -> Bool {
    try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
            try await body()
            return false
        }
        group.addTask {
            for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return true }
            // Cancelled, as the work is done.
            return false
        }
        let isInterrupted = try await group.next() ?? false
        group.cancelAll()
        while try await group.next() != nil {}
        return isInterrupted
    }
}
