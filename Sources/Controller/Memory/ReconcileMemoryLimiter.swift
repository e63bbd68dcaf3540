import KubeClient
import System

/// Bounds the memory of the reconciles in flight: an object is opened only when the bytes for its ciphertext, its plaintext
/// and its request body are free. Workers do not wait; an object without room is added to the queue again when its bytes
/// have been reserved for it. Namespaces take turns. Safe to use from any thread.
final class ReconcileMemoryLimiter: Sendable {
    fileprivate struct State {
        var reserved: [ObjectRef: Int] = [:]
        var used = 0
        var waiting = FairQueue<ObjectRef>()
        var wanted: [ObjectRef: Int] = [:]
        /// The head of `waiting`, taken out of it and not yet served.
        var next: ObjectRef?
    }

    private let limit: Int
    private let state = Locked(State())
    private let wake: @Sendable (ObjectRef) -> Void

    /// Reservations up to this size are not counted: all workers together cannot need much for them.
    static let uncountedBytes = 128 << 10

    /// - Parameters:
    ///   - limit: in bytes. A single object may need more; it is then alone.
    ///   - wake: is called with every object whose bytes have been reserved after it had to wait.
    init(limit: Int = 32 << 20, wake: @escaping @Sendable (ObjectRef) -> Void) {
        self.limit = limit
        self.wake = wake
    }

    /// Reserves `bytes` for `ref`. Returns false if `ref` has to wait; `wake` is called for it later.
    func reserve(_ bytes: Int, for ref: ObjectRef) -> Bool {
        guard bytes > Self.uncountedBytes else { return true }
        return state.withLock { state in
            // Those that wait go first. An object that has grown since its bytes were reserved does not wait twice.
            if state.reserved[ref] != nil || state.wanted.isEmpty && fits(bytes, state) {
                state.take(bytes, for: ref)
                return true
            }
            if state.wanted.updateValue(bytes, forKey: ref) == nil, state.next != ref {
                state.waiting.append(ref, to: ref.namespace)
            }
            return false
        }
    }

    /// Frees what `ref` has reserved, and reserves for those that wait.
    func release(_ ref: ObjectRef) {
        let served: [ObjectRef] = state.withLock { state in
            guard let bytes = state.reserved.removeValue(forKey: ref) else { return [] }
            state.used -= bytes
            var served: [ObjectRef] = []
            while let next = state.next ?? state.waiting.popFirst() {
                state.next = next
                guard let wanted = state.wanted[next] else {
                    state.next = nil
                    continue
                }
                guard fits(wanted, state) else { break }
                state.next = nil
                state.wanted[next] = nil
                state.take(wanted, for: next)
                served.append(next)
            }
            return served
        }
        for ref in served { wake(ref) }
    }

    private func fits(_ bytes: Int, _ state: State) -> Bool {
        state.used == 0 || bytes <= limit - state.used
    }
}

extension ReconcileMemoryLimiter.State {
    /// Reserves `bytes` for `ref` in place of what it had.
    fileprivate mutating func take(_ bytes: Int, for ref: ObjectRef) {
        used += bytes - (reserved.updateValue(bytes, forKey: ref) ?? 0)
    }
}
