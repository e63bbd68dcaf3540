import KubeClient
import Resources

/// The providers that have a series of their own in a metric. Tenants write the names of providers into their WrappedSecrets and
/// create KeyProviders, and must neither create series without a limit nor take those of others:
///
/// - A provider that does not exist has none.
/// - ClusterKeyProviders come first, because administrators create them.
/// - Then namespaces take turns: the most used KeyProvider of each, then the next one of each.
struct ProviderSeries {
    /// The providers with their counts, in the order above.
    var own: [(provider: ProviderRef, count: Int)]
    /// The sum of the counts of all other providers.
    var others: Int

    /// - Parameters:
    ///   - counts: The objects of each provider that is named.
    ///   - limit: The number of providers that have a series at most.
    init(of counts: [ProviderRef: Int], limit: Int, exists: (ProviderRef) -> Bool) {
        var turns: [ProviderRef: Int] = [:]
        let existing = counts.filter { exists($0.key) }
        for (_, providers) in Dictionary(grouping: existing, by: \.key.object.namespace) {
            let ordered = providers.sorted { ($1.value, $0.key.object.name) < ($0.value, $1.key.object.name) }
            for (turn, entry) in ordered.enumerated() {
                turns[entry.key] = entry.key.isClusterScoped ? -1 : turn
            }
        }
        func order(_ provider: ProviderRef) -> (Int, Int, String, String) {
            (
                turns[provider, default: .max], -existing[provider, default: 0], provider.object.namespace,
                provider.object.name
            )
        }
        own = existing.keys.sorted { order($0) < order($1) }.prefix(limit).map {
            (provider: $0, count: existing[$0, default: 0])
        }
        others = counts.values.reduce(0, +) - own.reduce(0) { $0 + $1.count }
    }
}
