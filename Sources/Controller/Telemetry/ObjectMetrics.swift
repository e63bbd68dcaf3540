import Envelope
import KubeClient
import Metrics
import Resources
import System

/// Counts the WrappedSecrets in the caches for each exposition, so that deleted objects leave the metrics at once.
struct ObjectMetrics: Sendable {
    typealias Objects = Store<Decoded<WrappedSecret>>

    struct ReadyState: Hashable {
        /// "True", "False" or "Unknown".
        var ready: String
        var reason: String
    }

    struct KeyVersion: Hashable {
        var id: String
        var version: String
    }

    private(set) var readyCounts: [ReadyState: Int] = [:]
    private(set) var keyCounts: [KeyVersion: Int] = [:]

    /// The number of versions of one key that have their own series. Other writers can write a status, and must not create
    /// series without a limit.
    static let maximumVersionsPerKey = 50

    static func register(
        in registry: MetricsRegistry, _ leaseLabel: LeaseLabel,
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
            labels: ["ready", "reason"] + leaseLabel.names
        ) {
            let states = latest.withLock { $0?.readyCounts ?? [:] }
            return states.map {
                Sample(Double($0.value), labels: [$0.key.ready, $0.key.reason] + leaseLabel.values)
            }
        }
        registry.computed(
            "secretsbridge_wrapped_by_key",
            "WrappedSecrets by the key that unwrapped them last; other: a key that is not configured.",
            labels: ["key_id", "key_version"] + leaseLabel.names
        ) {
            let keys = latest.withLock { $0?.keyCounts ?? [:] }
            return keys.map {
                Sample(Double($0.value), labels: [$0.key.id, $0.key.version] + leaseLabel.values)
            }
        }
    }

    /// - Parameter configured: the key ids that have their own series.
    init(_ stores: [Objects], configured: [String]) {
        var states: [ReadyState: Int] = [:]
        var keys: [KeyVersion: Int] = [:]
        for store in stores {
            store.forEach { object in
                let status = object.status
                let ready = status?.condition(.ready)
                states[
                    ReadyState(ready: ready?.status ?? "Unknown", reason: ready?.reason ?? ""), default: 0] +=
                    1
                if let id = status?.keyID {
                    keys[KeyVersion(id: id, version: status?.keyVersion ?? ""), default: 0] += 1
                }
            }
        }
        self.readyCounts = Self.bounded(states)
        self.keyCounts = Self.bounded(keys, configured)
    }

    /// Replaces values that no controller writes. An object that was never reconciled has no reason.
    private static func bounded(_ counts: [ReadyState: Int]) -> [ReadyState: Int] {
        var bounded: [ReadyState: Int] = [:]
        for (state, count) in counts {
            let isKnown = state.reason.isEmpty || Reason(rawValue: state.reason) != nil
            let state = ReadyState(
                ready: ["True", "False"].contains(state.ready) ? state.ready : "Unknown",
                reason: isKnown ? state.reason : "other")
            bounded[state, default: 0] += count
        }
        return bounded
    }

    private static func bounded(_ counts: [KeyVersion: Int], _ configured: [String]) -> [KeyVersion: Int] {
        var bounded: [KeyVersion: Int] = [:]
        var versions: [String: Int] = [:]
        // The most frequent versions first, so that each exposition has the same series.
        for (key, count) in counts.sorted(by: { ($1.value, $0.key.version) < ($0.value, $1.key.version) }) {
            guard configured.contains(key.id) else {
                bounded[KeyVersion(id: "other", version: ""), default: 0] += count
                continue
            }
            let rank = versions[key.id, default: 0]
            versions[key.id] = rank + 1
            let isSeparate = rank < maximumVersionsPerKey && isPrintable(key.version)
            bounded[isSeparate ? key : KeyVersion(id: key.id, version: "other"), default: 0] += count
        }
        return bounded
    }

    private static func isPrintable(_ version: String) -> Bool {
        version.utf8.count <= 64 && version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
