import Envelope
import Metrics

/// Metrics of the WrappedSecrets in the caches. Deleted objects leave them at once.
enum ObjectMetrics {
    typealias KeyVersion = ObjectCounts.KeyVersion

    /// The number of versions of one key that have their own series. Other writers can write a status, and must not create
    /// series without a limit.
    static let maximumVersionsPerKey = 50

    static func register(
        in registry: MetricsRegistry, _ leaseLabel: LeaseLabel,
        _ sources: @escaping @Sendable () -> Telemetry.Sources?
    ) {
        registry.computed(
            "secretsbridge_wrappedsecrets", "WrappedSecrets by their condition Ready and its reason.",
            labels: ["ready", "reason"] + leaseLabel.names
        ) {
            sum((sources()?.informers ?? []).map(\.counts.ready)).map {
                Sample(Double($0.value), labels: [$0.key.ready, $0.key.reason] + leaseLabel.values)
            }
        }
        registry.computed(
            "secretsbridge_wrapped_by_key",
            "WrappedSecrets by the key that unwrapped them last; other: a key that is not configured.",
            labels: ["key_id", "key_version"] + leaseLabel.names
        ) {
            guard let sources = sources() else { return [] }
            let counts = sum(sources.informers.map(\.counts.keys))
            return bounded(counts, configured: Set(sources.keys.all.map(\.keyID))).map {
                Sample(Double($0.value), labels: [$0.key.id, $0.key.version] + leaseLabel.values)
            }
        }
    }

    /// Adds the counts of several caches.
    static func sum<Kind: Hashable>(_ caches: [[Kind: Int]]) -> [Kind: Int] {
        guard let first = caches.first else { return [:] }
        return caches.dropFirst().reduce(into: first) { $0.merge($1, uniquingKeysWith: +) }
    }

    /// Combines the keys that are not configured, and of each key the versions beyond the most frequent ones.
    ///
    /// - Parameter configured: the key ids that have their own series.
    static func bounded(_ counts: [KeyVersion: Int], configured: Set<String>) -> [KeyVersion: Int] {
        var bounded: [KeyVersion: Int] = [:]
        for (id, counts) in Dictionary(grouping: counts, by: \.key.id) {
            guard configured.contains(id) else {
                let others = counts.reduce(0) { $0 + $1.value }
                bounded[KeyVersion(id: "other", version: ""), default: 0] += others
                continue
            }
            let versions = counts.largestCounts(maximumVersionsPerKey) { $0.version < $1.version }
            for (key, count) in versions.largest { bounded[key] = count }
            if versions.others > 0 {
                bounded[KeyVersion(id: id, version: "other"), default: 0] += versions.others
            }
        }
        return bounded
    }
}
