import KubeClient
import Metrics
import Resources
import System

/// The number of providers in the caches by kind and condition Ready, kept as the caches change. Safe to use from any thread.
final class ProviderCounts: Sendable {
    struct ReadyState: Hashable {
        var kind: String
        var ready: String
        /// Empty for a provider that was never tested; "other" for a reason that no controller writes.
        var reason: String
    }

    private let tally = Locked(Tally<ReadyState>())

    var counts: [ReadyState: Int] { tally.withLock { $0.counts } }

    /// Replaces what the cache had by what it has now.
    func update<Object: KeyProviderObject>(_ before: Decoded<Object>?, _ after: Decoded<Object>?) {
        let (before, after) = (before.map(Self.readyState), after.map(Self.readyState))
        tally.withLock { $0.replace(before, by: after) }
    }

    /// Counts all providers of a new list in place of those before it, because objects may differ from earlier ones of the same
    /// version: an etcd that was restored from a backup assigns versions again.
    func replaceAll<Object: KeyProviderObject>(_ before: [Decoded<Object>], by after: [Decoded<Object>]) {
        let (before, after) = (before.map(Self.readyState), after.map(Self.readyState))
        tally.withLock { tally in
            for state in before { tally.replace(state, by: nil) }
            for state in after { tally.replace(nil, by: state) }
        }
    }

    private static func readyState<Object: KeyProviderObject>(of provider: Decoded<Object>) -> ReadyState {
        let kind = Object.resource.kind
        guard let ready = provider.status?.ready else {
            return ReadyState(kind: kind, ready: "Unknown", reason: "")
        }
        return ReadyState(
            kind: kind, ready: ["True", "False"].contains(ready.status) ? ready.status : "Unknown",
            reason: KeyProviderReason(rawValue: ready.reason)?.rawValue ?? "other")
    }
}

/// Metrics of the providers and their WrappedSecrets. Deleted providers leave them at once.
enum ProviderMetrics {
    /// The number of providers that have their own series.
    static let maximumSeries = 200

    static func register(
        in registry: MetricsRegistry, _ leaseLabel: LeaseLabel,
        _ sources: @escaping @Sendable () -> Telemetry.Sources?
    ) {
        registry.computed(
            "secretsbridge_key_providers", "Key providers by kind, their condition Ready and its reason.",
            labels: ["kind", "ready", "reason"] + leaseLabel.names
        ) {
            guard var counts = sources()?.providers?.caches.counts.counts else { return [] }
            // The series of working providers exist from the start.
            for kind in [ClusterKeyProvider.resource.kind, KeyProvider.resource.kind] {
                let working = ProviderCounts.ReadyState(
                    kind: kind, ready: "True", reason: KeyProviderReason.ready.rawValue)
                counts[working, default: 0] += 0
            }
            return counts.map { state, count in
                Sample(Double(count), labels: [state.kind, state.ready, state.reason] + leaseLabel.values)
            }
        }
        registry.computed(
            "secretsbridge_key_provider_wrappedsecrets",
            "WrappedSecrets by the provider of their keyRef; other: those without a series of their own.",
            labels: ["kind", "provider_namespace", "provider"] + leaseLabel.names
        ) {
            guard let sources = sources() else { return [] }
            let caches = sources.providers?.caches
            let series = ProviderSeries(
                of: ObjectMetrics.sum(sources.informers.map(\.providerUsers.counts)), limit: maximumSeries,
                exists: { caches?.state(of: $0) != nil })
            let samples = series.own.map { provider, count in
                Sample(Double(count), labels: provider.labels + leaseLabel.values)
            }
            return samples + [Sample(Double(series.others), labels: ["other", "", ""] + leaseLabel.values)]
        }
        registry.computed(
            "secretsbridge_key_provider_connections",
            "Key managers of providers in memory, each with its own login; unused ones end after 10 minutes."
        ) { Double(sources()?.providers?.rings.count ?? 0) }
    }
}

extension ProviderRef {
    fileprivate var labels: [String] { [kind, object.namespace, object.name] }
}
