import KubeClient
import Resources
import Testing

@testable import Controller

struct ProviderSeriesTests {
    private func tenant(_ namespace: String, _ name: String) -> ProviderRef {
        ProviderRef(keyProvider: ObjectRef(namespace: namespace, name: name))
    }

    @Test func aProviderThatDoesNotExistHasNone() {
        let counts = [tenant("a", "real"): 2, tenant("a", "invented"): 300]
        let series = ProviderSeries(of: counts, limit: 10) { $0.object.name == "real" }
        #expect(series.own.map(\.provider) == [tenant("a", "real")])
        #expect(series.own.map(\.count) == [2])
        #expect(series.others == 300)
    }

    @Test func aNamespaceWithManyProvidersTakesNoneOfOthers() {
        var counts = [ProviderRef(clusterKeyProvider: "payments"): 1, tenant("victim", "own"): 1]
        for number in 0..<300 { counts[tenant("attacker", "p-\(number)")] = 1000 + number }
        let series = ProviderSeries(of: counts, limit: 4) { _ in true }
        #expect(
            series.own.map(\.provider) == [
                ProviderRef(clusterKeyProvider: "payments"), tenant("attacker", "p-299"),
                tenant("victim", "own"), tenant("attacker", "p-298"),
            ])
        #expect(series.others == counts.values.reduce(0, +) - 1 - 1299 - 1 - 1298)
    }

    /// A scrape must not choose others than the one before it.
    @Test func equalCountsAreOrderedByName() {
        let counts = Dictionary(uniqueKeysWithValues: (0..<50).map { (tenant("a", "p-\(10 + $0)"), 7) })
        let series = ProviderSeries(of: counts, limit: 3) { _ in true }
        #expect(series.own.map(\.provider.object.name) == ["p-10", "p-11", "p-12"])
    }

    @Test func nothingHasNoSeries() {
        let series = ProviderSeries(of: [:], limit: 3) { _ in true }
        #expect(series.own.isEmpty)
        #expect(series.others == 0)
    }
}
