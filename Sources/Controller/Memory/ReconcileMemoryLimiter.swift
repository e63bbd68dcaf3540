import KubeClient
import System

/// Limits the memory of the reconciles in flight: an object is decrypted only after the bytes for its ciphertext, its plaintext
/// and its request body have been reserved. Workers do not block; an object that has to wait is requeued when its bytes have
/// been reserved. Namespaces take turns. Thread-safe.
final class ReconcileMemoryLimiter: Sendable {
    fileprivate struct State {
        var reserved: [ObjectRef: Int] = [:]
        var used = 0
        var waiting = FairQueue<ObjectRef>()
        var requested: [ObjectRef: Int] = [:]
        /// The head of the queue, which has been removed from `waiting` and has no reservation yet.
        var next: ObjectRef?
    }

    private let limit: Int
    private let state = Locked(State())
    private let wake: @Sendable (ObjectRef) -> Void

    /// Reservations up to this size are not counted, because those of all workers together are small.
    static let uncountedBytes = 128 << 10

    /// - Parameters:
    ///   - limit: the limit in bytes. An object that needs more is reconciled alone.
    ///   - wake: called with each object whose bytes have been reserved after it had to wait.
    init(limit: Int = 32 << 20, wake: @escaping @Sendable (ObjectRef) -> Void) {
        self.limit = limit
        self.wake = wake
    }

    /// Reserves `bytes` for `ref`. Returns false if `ref` has to wait until `wake` is called for it.
    func reserve(_ bytes: Int, for ref: ObjectRef) -> Bool {
        guard bytes > Self.uncountedBytes else { return true }
        let (isReserved, granted): (Bool, [ObjectRef]) = state.withLock { state in
            // Waiting objects go first. An object that has grown since its reservation does not wait twice.
            if state.reserved[ref] != nil || state.requested.isEmpty && fits(bytes, state) {
                state.reserve(bytes, for: ref)
                // An object may also need less than it has reserved.
                return (true, grantWaiting(&state))
            }
            guard let before = state.requested.updateValue(bytes, forKey: ref) else {
                if state.next != ref { state.waiting.append(ref, to: ref.namespace) }
                return (false, [])
            }
            // An object that waits may need less than before, and fit now.
            return (false, bytes < before ? grantWaiting(&state) : [])
        }
        for ref in granted { wake(ref) }
        return isReserved
    }

    /// Frees the reservation of `ref`, and reserves for waiting objects.
    func release(_ ref: ObjectRef) {
        let granted: [ObjectRef] = state.withLock { state in
            guard let bytes = state.reserved.removeValue(forKey: ref) else { return [] }
            state.used -= bytes
            return grantWaiting(&state)
        }
        for ref in granted { wake(ref) }
    }

    /// Reserves for waiting objects, as long as the next one fits.
    private func grantWaiting(_ state: inout State) -> [ObjectRef] {
        var granted: [ObjectRef] = []
        while let next = state.next ?? state.waiting.popFirst() {
            state.next = next
            guard let bytes = state.requested[next] else {
                state.next = nil
                continue
            }
            guard fits(bytes, state) else { break }
            state.next = nil
            state.requested[next] = nil
            state.reserve(bytes, for: next)
            granted.append(next)
        }
        return granted
    }

    private func fits(_ bytes: Int, _ state: State) -> Bool {
        state.used == 0 || bytes <= limit - state.used
    }
}

extension ReconcileMemoryLimiter.State {
    /// Replaces the reservation of `ref`.
    fileprivate mutating func reserve(_ bytes: Int, for ref: ObjectRef) {
        used += bytes - (reserved.updateValue(bytes, forKey: ref) ?? 0)
    }
}
