import Concurrency
import System

/// Remembers the keys that KMS does not use for anybody, since they are disabled, pending deletion or gone, and tells
/// when one of them serves again: all that waits for it is then worth a try. Safe to use from many tasks.
///
/// Not for denials: policies may deny one row and allow the next.
final class AWSKeyRecovery: Sendable {
    private struct State {
        var refused: Set<AWSKeyARN> = []
        var hasRecovered = false
    }

    private let state = Locked(State())
    private let alarm = WakeableTimer()
    /// Rows name keys; whatever they name, there are no more than this.
    private static let maximum = 64

    func recordRefusal(_ key: AWSKeyARN) {
        state.withLock { state in
            if state.refused.count < Self.maximum { state.refused.insert(key) }
        }
    }

    func recordSuccess(_ key: AWSKeyARN) {
        let isBack = state.withLock { state in
            guard state.refused.remove(key) != nil else { return false }
            state.hasRecovered = true
            return true
        }
        if isBack { alarm.signal() }
    }

    /// Runs until the task is cancelled.
    func watch(onRecovery: @escaping @Sendable () -> Void) async {
        await alarm.run {
            let hasRecovered = state.withLock { state in
                defer { state.hasRecovered = false }
                return state.hasRecovered
            }
            if hasRecovered { onRecovery() }
            return nil
        }
    }
}
