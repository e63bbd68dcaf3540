import Envelope
import KubeClient
import Metrics
import Resources
import System

/// The WrappedSecrets, counted in the caches when somebody asks: what is gone is gone from the metrics.
struct ObjectMetrics: Sendable {
    typealias Objects = Store<Decoded<WrappedSecret>>

    struct State: Hashable {
        /// "True", "False" or "Unknown".
        var ready: String
        var reason: String
    }

    struct Key: Hashable {
        var id: String
        var version: String
    }

    private(set) var readyCounts: [State: Int] = [:]
    private(set) var keyCounts: [Key: Int] = [:]

    /// Versions of one key that are shown by themselves. A status is not written by us alone, and must not make
    /// series without end.
    static let maximumVersionsPerKey = 50

    static func register(
        in registry: MetricsRegistry, _ shard: LeaseLabel,
        _ sources: @escaping @Sendable () -> Telemetry.Sources?
    ) {
        let latest = Locked<ObjectMetrics?>(nil)
        registry.beforeExposition {
            let counted = sources().map {
                ObjectMetrics($0.informers.map(\.objects), configured: $0.keys.all.map(\.keyID))
            }
            latest.withLock { $0 = counted }
        }
        registry.computed(
            "secretsbridge_wrappedsecrets", "WrappedSecrets by their condition Ready and its reason.",
            labels: ["ready", "reason"] + shard.names
        ) {
            let states = latest.withLock { $0?.readyCounts ?? [:] }
            return states.map {
                Sample(Double($0.value), labels: [$0.key.ready, $0.key.reason] + shard.values)
            }
        }
        registry.computed(
            "secretsbridge_wrapped_by_key",
            "WrappedSecrets by the key that unwrapped them last; other: one that is not configured.",
            labels: ["key_id", "key_version"] + shard.names
        ) {
            let keys = latest.withLock { $0?.keyCounts ?? [:] }
            return keys.map { Sample(Double($0.value), labels: [$0.key.id, $0.key.version] + shard.values) }
        }
    }

    /// `configured`: the key ids that are shown.
    init(_ stores: [Objects], configured: [String]) {
        var states: [State: Int] = [:]
        var keys: [Key: Int] = [:]
        for store in stores {
            store.forEach { object in
                let status =
                    switch object {
                    case .object(let object): object.status
                    case .malformed(_, let status, _): status
                    }
                let ready = status?.condition(.ready)
                states[State(ready: ready?.status ?? "Unknown", reason: ready?.reason ?? ""), default: 0] += 1
                if let id = status?.keyID {
                    keys[Key(id: id, version: status?.keyVersion ?? ""), default: 0] += 1
                }
            }
        }
        self.readyCounts = Self.bounded(states)
        self.keyCounts = Self.bounded(keys, configured)
    }

    /// What no controller of ours says is not repeated. An object that was never looked at has no reason.
    private static func bounded(_ counts: [State: Int]) -> [State: Int] {
        var bounded: [State: Int] = [:]
        for (state, count) in counts {
            let isKnown = state.reason.isEmpty || Reason(rawValue: state.reason) != nil
            let state = State(
                ready: ["True", "False"].contains(state.ready) ? state.ready : "Unknown",
                reason: isKnown ? state.reason : "other")
            bounded[state, default: 0] += count
        }
        return bounded
    }

    private static func bounded(_ counts: [Key: Int], _ configured: [String]) -> [Key: Int] {
        var shown: [Key: Int] = [:]
        var versions: [String: Int] = [:]
        // Most used first, so that the same ones are shown each time.
        for (key, count) in counts.sorted(by: { ($1.value, $0.key.version) < ($0.value, $1.key.version) }) {
            guard configured.contains(key.id) else {
                shown[Key(id: "other", version: ""), default: 0] += count
                continue
            }
            let rank = versions[key.id, default: 0]
            versions[key.id] = rank + 1
            let isShown = rank < maximumVersionsPerKey && isPlain(key.version)
            shown[isShown ? key : Key(id: key.id, version: "other"), default: 0] += count
        }
        return shown
    }

    private static func isPlain(_ version: String) -> Bool {
        version.utf8.count <= 64 && version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
