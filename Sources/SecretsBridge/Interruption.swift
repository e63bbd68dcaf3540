import CLI
import System
import UnixSignals

/// Runs `body`, and cancels it on SIGINT or SIGTERM. Returns after `body` has ended in any case.
///
/// - Returns: True if a signal cancelled `body`.
func withSignalCancellation(_ body: @escaping @Sendable () async throws -> Void) async throws -> Bool {
    try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
            try await body()
            return false
        }
        group.addTask {
            for await signal in await UnixSignalsSequence(trapping: .sigint, .sigterm) {
                TerminationSignals.recordReceived(signal.rawValue)
                return true
            }
            // `body` has ended, and cancelled this task.
            return false
        }
        let isInterrupted = try await group.next() ?? false
        group.cancelAll()
        while try await group.next() != nil {}
        return isInterrupted
    }
}

/// Runs `body`, and cancels it when `TerminationSignals` records a signal.
func withRecordedSignalCancellation<T: Sendable>(
    _ body: @escaping @Sendable () async throws(InputError) -> T
) async throws(InputError) -> T {
    let work = Task { () -> Result<T, InputError> in
        do throws(InputError) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
    let watch = Task {
        while TerminationSignals.received == nil {
            guard (try? await Task.sleep(for: .milliseconds(50))) != nil else { return }
        }
        work.cancel()
    }
    defer { watch.cancel() }
    return try await work.value.get()
}
