import CLI
import System
import UnixSignals

/// Runs `body` until it is done, or until SIGINT or SIGTERM cancels its task; it is waited for in any case. Whether it
/// was cut short.
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
            // Cancelled, as the work is done.
            return false
        }
        let isInterrupted = try await group.next() ?? false
        group.cancelAll()
        while try await group.next() != nil {}
        return isInterrupted
    }
}

/// Runs `body`, and cancels it when a signal that asks the program to end is recorded.
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
