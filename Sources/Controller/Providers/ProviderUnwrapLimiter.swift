import KubeClient
import System

/// Limits how many reconciles unwrap at the same time with the KeyProviders of one ClusterKeyProvider, and with all providers:
/// a KMS that does not answer would hold every worker until its timeouts. Workers do not block; an object that has to wait is
/// queued again when a place is reserved for it. Namespaces take turns. Safe to use from any thread.
final class ProviderUnwrapLimiter: Sendable {
    fileprivate struct State {
        let limit: Int
        let totalLimit: Int
        /// The ClusterKeyProviders of the objects that have a place.
        var reserved: [ObjectRef: String] = [:]
        var counts: [String: Int] = [:]
        /// The ClusterKeyProviders of the objects that wait.
        var requested: [ObjectRef: String] = [:]
        /// May contain objects that do not wait there any more.
        var waiting: [String: FairQueue<ObjectRef>] = [:]
        /// For each key of `waiting`, the number of the turn in which it was served last, or began to wait.
        var turns: [String: UInt64] = [:]
        var lastTurn: UInt64 = 0
    }

    private let state: Locked<State>
    private let wake: @Sendable (ObjectRef) -> Void

    /// - Parameters:
    ///   - workers: The number of reconciles in flight: a quarter for a ClusterKeyProvider, three quarters for all, so that
    ///     the controller's own keys always have workers.
    ///   - wake: Called with each object for which a place is reserved after it had to wait.
    init(workers: Int, wake: @escaping @Sendable (ObjectRef) -> Void) {
        state = Locked(State(limit: max(1, workers / 4), totalLimit: max(1, workers * 3 / 4)))
        self.wake = wake
    }

    /// Reserves a place for `ref`. Returns false if `ref` has to wait until `wake` is called for it.
    func reserve(_ clusterKeyProvider: String, for ref: ObjectRef) -> Bool {
        // The KeyProvider of the object may refer to another ClusterKeyProvider than before.
        if let other = state.withLock({ $0.reserved[ref] }), other != clusterKeyProvider { release(ref) }
        return state.withLock { state in
            if state.reserved[ref] != nil { return true }
            if state.waiting[clusterKeyProvider] == nil, state.hasPlace(clusterKeyProvider) {
                state.requested[ref] = nil
                state.reserve(clusterKeyProvider, for: ref)
                return true
            }
            if state.requested.updateValue(clusterKeyProvider, forKey: ref) != clusterKeyProvider {
                if state.waiting[clusterKeyProvider] == nil { state.beginTurn(clusterKeyProvider) }
                state.waiting[clusterKeyProvider, default: FairQueue()].append(ref, to: ref.namespace)
            }
            return false
        }
    }

    /// Frees the place of `ref`, and reserves it for objects that wait.
    func release(_ ref: ObjectRef) {
        let granted: [ObjectRef] = state.withLock { state in
            guard let provider = state.reserved.removeValue(forKey: ref) else { return [] }
            let others = state.counts[provider, default: 1] - 1
            state.counts[provider] = others > 0 ? others : nil
            var granted: [ObjectRef] = []
            while let next = state.nextProvider() {
                if let ref = state.popWaiting(next) {
                    state.reserve(next, for: ref)
                    granted.append(ref)
                }
            }
            return granted
        }
        for ref in granted { wake(ref) }
    }
}

extension ProviderUnwrapLimiter.State {
    fileprivate func hasPlace(_ clusterKeyProvider: String) -> Bool {
        reserved.count < totalLimit && counts[clusterKeyProvider, default: 0] < limit
    }

    fileprivate mutating func reserve(_ clusterKeyProvider: String, for ref: ObjectRef) {
        reserved[ref] = clusterKeyProvider
        counts[clusterKeyProvider, default: 0] += 1
    }

    /// Returns the ClusterKeyProvider whose turn it is: the one with the fewest places of those for which objects wait, and of
    /// several the one that has waited longest.
    fileprivate func nextProvider() -> String? {
        waiting.keys.filter(hasPlace).min {
            (counts[$0, default: 0], turns[$0, default: 0]) < (counts[$1, default: 0], turns[$1, default: 0])
        }
    }

    /// Puts a ClusterKeyProvider behind the others for which objects wait.
    fileprivate mutating func beginTurn(_ clusterKeyProvider: String) {
        lastTurn += 1
        turns[clusterKeyProvider] = lastTurn
    }

    /// Removes the next object from the queue of a ClusterKeyProvider.
    ///
    /// - Returns: Nil if the object does not wait there any more.
    fileprivate mutating func popWaiting(_ clusterKeyProvider: String) -> ObjectRef? {
        let ref = waiting[clusterKeyProvider]?.popFirst()
        if waiting[clusterKeyProvider]?.count == 0 {
            waiting[clusterKeyProvider] = nil
            turns[clusterKeyProvider] = nil
        }
        guard let ref, requested[ref] == clusterKeyProvider else { return nil }
        if waiting[clusterKeyProvider] != nil { beginTurn(clusterKeyProvider) }
        requested[ref] = nil
        return ref
    }
}
