import Envelope
import KubeClient
import Metrics
import Resources

/// The WrappedSecrets, counted in the caches when somebody asks: what is gone is gone from the metrics.
enum ObjectMetrics {
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

    /// Versions of one key that are shown by themselves. A status is not written by us alone, and must not make
    /// series without end.
    static let maximumVersions = 50

    static func register(
        in registry: MetricsRegistry, _ sources: @escaping @Sendable () -> Telemetry.Sources?
    ) {
        registry.computed(
            "secretsbridge_wrappedsecrets", "WrappedSecrets by their condition Ready and its reason.",
            labels: ["ready", "reason"]
        ) {
            guard let sources = sources() else { return [] }
            return states(sources.informers.map(\.objects)).map {
                Sample(Double($0.value), $0.key.ready, $0.key.reason)
            }
        }
        registry.computed(
            "secretsbridge_wrapped_by_key",
            "WrappedSecrets by the key that unwrapped them last; other: one that is not configured.",
            labels: ["key_id", "key_version"]
        ) {
            guard let sources = sources() else { return [] }
            return keys(sources.informers.map(\.objects), configured: sources.keys.all.map(\.keyID)).map {
                Sample(Double($0.value), $0.key.id, $0.key.version)
            }
        }
    }

    /// What no controller of ours says is not repeated. An object that was never looked at has no reason.
    static func states(_ stores: [Objects]) -> [State: Int] {
        let counts = count(stores) { status in
            let ready = status?.condition(.ready)
            return State(ready: ready?.status ?? "Unknown", reason: ready?.reason ?? "")
        }
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

    static func keys(_ stores: [Objects], configured: [String]) -> [Key: Int] {
        let counts = count(stores) { status in
            (status?.keyID).map { Key(id: $0, version: status?.keyVersion ?? "") }
        }
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
            let isShown = rank < maximumVersions && isPlain(key.version)
            shown[isShown ? key : Key(id: key.id, version: "other"), default: 0] += count
        }
        return shown
    }

    private static func isPlain(_ version: String) -> Bool {
        version.utf8.count <= 64 && version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// What `of` gives for nil is not counted.
    private static func count<Value: Hashable>(
        _ stores: [Objects], of value: (WrappedSecretStatus?) -> Value?
    ) -> [Value: Int] {
        var counts: [Value: Int] = [:]
        for store in stores {
            store.forEach { object in
                let found =
                    switch object {
                    case .object(let object): value(object.status)
                    case .malformed(_, let status, _): value(status)
                    }
                if let found { counts[found, default: 0] += 1 }
            }
        }
        return counts
    }
}
