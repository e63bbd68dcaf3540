import Concurrency
import System

/// Tracks keys or ciphertexts whose key is disabled, pending deletion or deleted, and reports when one of them works again, so
/// that all WrappedSecrets that wait for it are retried. Safe to use from many tasks.
///
/// It does not track denied access: a policy may deny one encryption context and allow the next.
final class UnusableKeys<Key: Hashable & Sendable>: Sendable {
    private struct State {
        var unusable: Set<Key> = []
        var hasRecovered = false
    }

    private let state = Locked(State())
    private let timer = WakeableTimer()
    /// Recipients can name any number of keys; this bounds the memory. Further keys are not tracked.
    private static var maximumKeys: Int { 64 }

    func recordUnusable(_ key: Key) {
        state.withLock { state in
            if state.unusable.count < Self.maximumKeys { state.unusable.insert(key) }
        }
    }

    func recordSuccess(_ key: Key) {
        let isRecovered = state.withLock { state in
            guard state.unusable.remove(key) != nil else { return false }
            state.hasRecovered = true
            return true
        }
        if isRecovered { timer.signal() }
    }

    /// Calls `onRecovery` when a key works again, once for several keys. Runs until the task is cancelled.
    func watch(onRecovery: @escaping @Sendable () -> Void) async {
        await timer.run {
            let hasRecovered = state.withLock { state in
                defer { state.hasRecovered = false }
                return state.hasRecovered
            }
            if hasRecovered { onRecovery() }
            return nil
        }
    }
}
