import KubeClient
import Metrics
import Resources
import System

/// Counts the providers and their WrappedSecrets for each exposition, so that deleted providers leave the metrics at once.
enum ProviderMetrics {
    /// The number of providers that have their own series. Tenants create KeyProviders, and must not create series without a
    /// limit.
    static let maximumSeries = 200

    static func register(
        in registry: MetricsRegistry, _ leaseLabel: LeaseLabel,
        _ sources: @escaping @Sendable () -> Telemetry.Sources?
    ) {
        registry.computed(
            "secretsbridge_key_providers", "Key providers by kind, their condition Ready and its reason.",
            labels: ["kind", "ready", "reason"] + leaseLabel.names
        ) {
            guard let caches = sources()?.providers?.caches else { return [] }
            // The series of working providers exist from the start.
            var counts = [
                [ClusterKeyProvider.resource.kind, "True", KeyProviderReason.ready.rawValue]: 0,
                [KeyProvider.resource.kind, "True", KeyProviderReason.ready.rawValue]: 0,
            ]
            for provider in caches.providers {
                let ready = caches.state(of: provider)?.status?.ready
                let reason = ready.flatMap { KeyProviderReason(rawValue: $0.reason)?.rawValue } ?? "other"
                let status = ready.map { ["True", "False"].contains($0.status) ? $0.status : "Unknown" }
                counts[[provider.kind, status ?? "Unknown", ready == nil ? "" : reason], default: 0] += 1
            }
            return counts.map { Sample(Double($0.value), labels: $0.key + leaseLabel.values) }
        }
        registry.computed(
            "secretsbridge_key_provider_wrappedsecrets",
            "WrappedSecrets by the provider of their keyRef; other: providers beyond the first \(maximumSeries).",
            labels: ["kind", "provider_namespace", "provider"] + leaseLabel.names
        ) {
            guard let informers = sources()?.informers else { return [] }
            var counts: [ProviderRef: Int] = [:]
            for (provider, count) in informers.flatMap(\.providerUsers.counts) {
                counts[provider, default: 0] += count
            }
            let sorted = counts.sorted { ($1.value, "\($0.key)") < ($0.value, "\($1.key)") }
            var samples = sorted.prefix(maximumSeries).map { provider, count in
                Sample(
                    Double(count),
                    labels: [provider.kind, provider.object.namespace, provider.object.name]
                        + leaseLabel.values)
            }
            let others = sorted.dropFirst(maximumSeries).reduce(0) { $0 + $1.value }
            samples.append(Sample(Double(others), labels: ["other", "", ""] + leaseLabel.values))
            return samples
        }
        registry.computed(
            "secretsbridge_key_provider_connections",
            "Key managers of providers in memory, each with its own login; unused ones end after 10 minutes."
        ) { Double(sources()?.providers?.rings.count ?? 0) }
    }
}
