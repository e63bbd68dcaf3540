import KubeClient
import System

/// Limits the memory of the reconciles in flight: an object is decrypted only after the bytes for its ciphertext, its plaintext
/// and its request body have been reserved. Workers do not block; an object that has to wait is requeued when its bytes have
/// been reserved. Namespaces take turns. Thread-safe.
///
/// A reconcile holds its bytes while it waits for a KMS. So the objects of one ClusterKeyProvider have a share of the limit,
/// and those of all of them another one, which leaves room for the largest object of the controller's own key: a KMS that does
/// not answer delays its own objects only.
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
        /// The share of all ClusterKeyProviders.
        var shareOfAll: Int { max(shareOfOne, limit - Reconciler.largeObject) }
        /// The share of one ClusterKeyProvider.
        var shareOfOne: Int { limit / 4 }
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
        /// Of several pools whose first object has a place in the share of the pool, the one with the lowest number is next.
        var turn: UInt64
    }

    /// A pool whose first object waits.
    fileprivate struct Candidate {
        let pool: Pool
        let request: Reservation
        let turn: UInt64
    }

    private let state: Locked<State>
    private let wake: @Sendable (ObjectRef) -> Void

    /// Reservations up to this size are not counted, because those of all workers together are small.
    static let uncountedBytes = 128 << 10

    /// - Parameters:
    ///   - limit: the limit in bytes: a quarter is the share of a ClusterKeyProvider, and all but `Reconciler.largeObject` that of
    ///     all. An object that needs more than a share, or than the limit, is reconciled alone there.
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
        guard queues[request.pool] == nil, hasPlaceInShare(request), hasPlaceInShareOfAll(request),
            hasPlace(request), nextPool() == nil
        else { return false }
        // An object of another ClusterKeyProvider may wait for the share of all.
        return request.pool == .own || nextProviderPool() == nil
    }

    private func hasPlace(_ request: ReconcileMemoryLimiter.Reservation) -> Bool {
        used == 0 || request.bytes <= limit - used
    }

    /// Returns whether the share of the object's pool has room for it.
    private func hasPlaceInShare(_ request: ReconcileMemoryLimiter.Reservation) -> Bool {
        let used = usedByPool[request.pool, default: 0]
        return request.pool == .own || used == 0 || request.bytes <= shareOfOne - used
    }

    /// Returns whether the share of all ClusterKeyProviders has room for the object, if it belongs to one.
    private func hasPlaceInShareOfAll(_ request: ReconcileMemoryLimiter.Reservation) -> Bool {
        let used = used - usedByPool[.own, default: 0]
        return request.pool == .own || used == 0 || request.bytes <= shareOfAll - used
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
    /// KMS of a ClusterKeyProvider, so that those behind it can wait for it.
    private mutating func nextPool() -> ReconcileMemoryLimiter.Pool? {
        var next: ReconcileMemoryLimiter.Candidate?
        if let candidate = nextProviderPool(), hasPlaceInShareOfAll(candidate.request) { next = candidate }
        if let own = candidate(.own), own.turn < next?.turn ?? .max { next = own }
        return next?.pool
    }

    /// Returns the pool of a ClusterKeyProvider whose first object is next. It may wait for the share of all, and then those of
    /// the other pools wait behind it: smaller ones would take the bytes that others release, for ever.
    private mutating func nextProviderPool() -> ReconcileMemoryLimiter.Candidate? {
        var next: ReconcileMemoryLimiter.Candidate?
        for pool in queues.keys where pool != .own {
            guard let candidate = candidate(pool), hasPlaceInShare(candidate.request),
                candidate.turn < next?.turn ?? .max
            else { continue }
            next = candidate
        }
        return next
    }

    private mutating func candidate(
        _ pool: ReconcileMemoryLimiter.Pool
    ) -> ReconcileMemoryLimiter.Candidate? {
        guard let ref = first(in: pool), let request = requested[ref], let turn = queues[pool]?.turn else {
            return nil
        }
        return ReconcileMemoryLimiter.Candidate(pool: pool, request: request, turn: turn)
    }

    /// Returns the first object that waits in the pool. Removes the queue if there is none.
    private mutating func first(in pool: ReconcileMemoryLimiter.Pool) -> ObjectRef? {
        let first = queues[pool]?.objects.first { [requested] ref in requested[ref]?.pool == pool }
        if first == nil { queues[pool] = nil }
        return first
    }
}
