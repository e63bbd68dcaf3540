import Envelope
import KubeClient
import Metrics
import Resources

/// The WrappedSecrets, counted when somebody asks: what is gone is gone from the metrics. 100,000 objects take
/// milliseconds, as long as they have few statuses among them.
struct ObjectMetrics {
    struct State: Hashable {
        /// "True", "False" or "Unknown".
        var ready: String
        var reason: String
    }

    struct Key: Hashable {
        var keyID: String
        var version: String
    }

    private(set) var states: [State: Int] = [:]
    private(set) var keys: [Key: Int] = [:]

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
            return ObjectMetrics(sources.informers.objects).states.map {
                Sample(Double($0.value), $0.key.ready, $0.key.reason)
            }
        }
        registry.computed(
            "secretsbridge_wrapped_by_key",
            "WrappedSecrets by the key that unwrapped them last; other: one that is not configured.",
            labels: ["key_id", "key_version"]
        ) {
            guard let sources = sources() else { return [] }
            return ObjectMetrics(sources.informers.objects).samples(of: sources.keys.all.map(\.keyID))
        }
    }

    init(_ store: Store<Decoded<WrappedSecret>>) {
        var states: [State: Int] = [:]
        var keys: [Key: Int] = [:]
        store.forEach { object in
            let status: WrappedSecretStatus? =
                switch object {
                case .object(let object): object.status
                case .malformed(_, let status, _): status
                }
            let ready = status?.condition(.ready)
            states[State(ready: ready?.status ?? "Unknown", reason: ready?.reason ?? ""), default: 0] += 1
            if let id = status?.keyID {
                keys[Key(keyID: id, version: status?.keyVersion ?? ""), default: 0] += 1
            }
        }
        for (state, count) in states { self.states[state.bounded, default: 0] += count }
        self.keys = keys
    }

    func samples(of configured: [String]) -> [Sample] {
        var shown: [Key: Int] = [:]
        var versions: [String: Int] = [:]
        // Most used first, so that the same ones are shown each time.
        for (key, count) in keys.sorted(by: { ($1.value, $0.key.version) < ($0.value, $1.key.version) }) {
            var key = key
            if !configured.contains(key.keyID) {
                key = Key(keyID: "other", version: "")
            } else if shown[key] == nil {
                versions[key.keyID, default: 0] += 1
                let isPlain =
                    key.version.utf8.count <= 64 && key.version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
                if !isPlain || versions[key.keyID, default: 0] > Self.maximumVersions {
                    key.version = "other"
                }
            }
            shown[key, default: 0] += count
        }
        return shown.map { Sample(Double($0.value), $0.key.keyID, $0.key.version) }
    }
}

extension ObjectMetrics.State {
    /// What no controller of ours says is not repeated. An object that was never looked at has no reason.
    fileprivate var bounded: Self {
        Self(
            ready: ["True", "False", "Unknown"].contains(ready) ? ready : "Unknown",
            reason: reason.isEmpty || Reason(rawValue: reason) != nil ? reason : "other")
    }
}
