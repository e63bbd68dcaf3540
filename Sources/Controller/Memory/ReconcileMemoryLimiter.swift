import KubeClient
import System

/// Limits the memory of the reconciles in flight: an object is decrypted only after the bytes for its ciphertext, its plaintext
/// and its request body have been reserved. Workers do not block; an object that has to wait is requeued when its bytes have
/// been reserved. Namespaces take turns. Thread-safe.
///
/// A reconcile holds its bytes while it waits for a KMS. So the objects of one ClusterKeyProvider have a share of the limit,
/// and those of all of them another one: a KMS that does not answer delays its own objects only.
final class ReconcileMemoryLimiter: Sendable {
    /// The KMS that a reconcile may wait for.
    enum Pool: Hashable, Sendable {
        /// The KMS of the controller's settings.
        case own
        case clusterKeyProvider(String)
    }

    fileprivate struct Reservation {
        let bytes: Int
        let pool: Pool
    }

    fileprivate struct State {
        let limit: Int
        var reserved: [ObjectRef: Reservation] = [:]
        var used = 0
        var usedByPool: [Pool: Int] = [:]
        /// The bytes that each waiting object needs.
        var requested: [ObjectRef: Reservation] = [:]
        var queues: [Pool: Queue] = [:]
        var lastTurn: UInt64 = 0
    }

    fileprivate struct Queue {
        /// The objects of a pool that wait, and some that have waited there.
        var objects = FairQueue<ObjectRef>()
        /// Of several pools whose first object has a place in its share, the one with the lowest number is next.
        var turn: UInt64
    }

    private let state: Locked<State>
    private let wake: @Sendable (ObjectRef) -> Void

    /// Reservations up to this size are not counted, because those of all workers together are small.
    static let uncountedBytes = 128 << 10

    /// - Parameters:
    ///   - limit: the limit in bytes: a quarter is the share of a ClusterKeyProvider, and three quarters that of all. An object
    ///     that needs more than a share, or than the limit, is reconciled alone there.
    ///   - wake: called with each object whose bytes have been reserved after it had to wait.
    init(limit: Int = 32 << 20, wake: @escaping @Sendable (ObjectRef) -> Void) {
        state = Locked(State(limit: limit))
        self.wake = wake
    }

    /// Reserves `bytes` for `ref`. Returns false if `ref` has to wait until `wake` is called for it.
    func reserve(_ bytes: Int, for ref: ObjectRef, in pool: Pool = .own) -> Bool {
        guard bytes > Self.uncountedBytes else { return true }
        let request = Reservation(bytes: bytes, pool: pool)
        let (isReserved, granted): (Bool, [ObjectRef]) = state.withLock { state in
            // Waiting objects go first. An object that has grown since its reservation does not wait twice.
            if state.reserved[ref] != nil || state.hasPlaceAtOnce(request) {
                state.requested[ref] = nil
                state.reserve(request, for: ref)
                // An object may also need less than it has reserved.
                return (true, state.grantWaiting())
            }
            // An object that waits may need less than before, and fit now.
            state.wait(request, ref)
            return (false, state.grantWaiting())
        }
        for ref in granted { wake(ref) }
        return isReserved
    }

    /// Frees the reservation of `ref`, and reserves for waiting objects.
    func release(_ ref: ObjectRef) {
        let granted: [ObjectRef] = state.withLock { state in
            guard state.remove(ref) else { return [] }
            return state.grantWaiting()
        }
        for ref in granted { wake(ref) }
    }
}

extension ReconcileMemoryLimiter.State {
    /// Returns whether an object that does not wait can have its bytes now.
    fileprivate mutating func hasPlaceAtOnce(_ request: ReconcileMemoryLimiter.Reservation) -> Bool {
        queues[request.pool] == nil && hasPlaceInShare(request) && hasPlace(request) && nextPool() == nil
    }

    private func hasPlace(_ request: ReconcileMemoryLimiter.Reservation) -> Bool {
        used == 0 || request.bytes <= limit - used
    }

    /// Returns whether the share of the object's pool, and that of all ClusterKeyProviders, have room for it.
    private func hasPlaceInShare(_ request: ReconcileMemoryLimiter.Reservation) -> Bool {
        guard request.pool != .own else { return true }
        let usedByAll = used - usedByPool[.own, default: 0]
        return [(usedByPool[request.pool, default: 0], limit / 4), (usedByAll, limit / 4 * 3)].allSatisfy {
            used, share in used == 0 || request.bytes <= share - used
        }
    }

    /// Replaces the reservation of `ref`.
    fileprivate mutating func reserve(_ request: ReconcileMemoryLimiter.Reservation, for ref: ObjectRef) {
        remove(ref)
        reserved[ref] = request
        used += request.bytes
        usedByPool[request.pool, default: 0] += request.bytes
    }

    @discardableResult
    fileprivate mutating func remove(_ ref: ObjectRef) -> Bool {
        guard let former = reserved.removeValue(forKey: ref) else { return false }
        used -= former.bytes
        let left = usedByPool[former.pool, default: 0] - former.bytes
        usedByPool[former.pool] = left == 0 ? nil : left
        return true
    }

    fileprivate mutating func wait(_ request: ReconcileMemoryLimiter.Reservation, _ ref: ObjectRef) {
        let former = requested.updateValue(request, forKey: ref)
        guard former?.pool != request.pool else { return }
        if queues[request.pool] == nil { queues[request.pool] = .init(turn: nextTurn()) }
        queues[request.pool]?.objects.append(ref, to: ref.namespace)
    }

    private mutating func nextTurn() -> UInt64 {
        lastTurn += 1
        return lastTurn
    }

    /// Reserves for waiting objects, as long as the next one fits.
    fileprivate mutating func grantWaiting() -> [ObjectRef] {
        var granted: [ObjectRef] = []
        while let pool = nextPool(), let ref = first(in: pool), let request = requested[ref],
            hasPlace(request)
        {
            let turn = nextTurn()
            _ = queues[pool]?.objects.popFirst()
            queues[pool]?.turn = turn
            requested[ref] = nil
            reserve(request, for: ref)
            granted.append(ref)
        }
        return granted
    }

    /// Returns the pool whose first object is next. It waits only for memory of other reconciles that do not all wait for the
    /// same KMS, so that those behind it can wait for it.
    private mutating func nextPool() -> ReconcileMemoryLimiter.Pool? {
        var next: (pool: ReconcileMemoryLimiter.Pool, turn: UInt64)?
        for pool in queues.keys {
            guard let ref = first(in: pool), let request = requested[ref], let turn = queues[pool]?.turn,
                hasPlaceInShare(request), turn < next?.turn ?? .max
            else { continue }
            next = (pool, turn)
        }
        return next?.pool
    }

    /// Returns the first object that waits in the pool. Removes the queue if there is none.
    private mutating func first(in pool: ReconcileMemoryLimiter.Pool) -> ObjectRef? {
        let first = queues[pool]?.objects.first { [requested] ref in requested[ref]?.pool == pool }
        if first == nil { queues[pool] = nil }
        return first
    }
}
