import KubeClient
import Metrics
import Resources
import TestSupport
import Testing

@testable import Controller

@Suite struct ObjectMetricsTests {
    private let store = Store<Decoded<WrappedSecret>> { $0.metadata.resourceVersion }
    private let counts = ObjectCounts()

    private func put(
        _ name: String, ready: Bool? = nil, reason: Reason = .synced, keyID: String? = nil,
        version: String? = nil
    ) {
        var object = unsealedWrappedSecret(name)
        if ready != nil || keyID != nil {
            var status = WrappedSecretStatus()
            if let ready {
                status.conditions = [
                    Condition(
                        .ready, ready, observedGeneration: 1, lastTransitionTime: "", reason: reason.rawValue,
                        message: "")
                ]
            }
            status.keyID = keyID
            status.keyVersion = version
            object.status = status
        }
        put(.object(object))
    }

    private func put(_ object: Decoded<WrappedSecret>) {
        guard case .visible(let before) = store.apply(object.metadata.ref, object) else { return }
        counts.update(before, object)
    }

    private func byKey(_ configured: String...) -> [ObjectMetrics.KeyVersion: Int] {
        ObjectMetrics.bounded(counts.keys, configured: Set(configured))
    }

    @Test func countsByReadyAndReason() {
        put("a", ready: true)
        put("b", ready: true)
        put("c", ready: false, reason: .kmsUnavailable)
        put("new")
        var status = WrappedSecretStatus()
        status.conditions = [
            Condition(
                .ready, false, observedGeneration: 1, lastTransitionTime: "", reason: "WrittenByAnother",
                message: "")
        ]
        let metadata = ObjectMeta(name: "bad", namespace: "payments")
        put(.malformed(metadata, status: status, problem: "p"))
        #expect(
            counts.ready == [
                .init(ready: "True", reason: "Synced"): 2,
                .init(ready: "False", reason: "KMSUnavailable"): 1,
                .init(ready: "Unknown", reason: ""): 1,
                .init(ready: "False", reason: "other"): 1,
            ])
        counts.update(store.remove(ObjectRef(namespace: "payments", name: "c")).visible, nil)
        #expect(counts.ready[.init(ready: "False", reason: "KMSUnavailable")] == nil)
    }

    @Test func namesOnlyConfiguredKeys() {
        put("a", ready: true, keyID: "vault-transit:transit/sb-wrap", version: "1")
        put("b", ready: true, keyID: "vault-transit:transit/sb-wrap", version: "2")
        put("c", ready: true, keyID: "vault-transit:transit/sb-wrap", version: "2")
        put("d", ready: true, keyID: "vault-transit:transit/old", version: "7")
        put("e", ready: true, keyID: "local:abc")
        put("f")
        #expect(
            byKey("vault-transit:transit/sb-wrap") == [
                .init(id: "vault-transit:transit/sb-wrap", version: "1"): 1,
                .init(id: "vault-transit:transit/sb-wrap", version: "2"): 2,
                .init(id: "other", version: ""): 2,
            ])
        #expect(byKey("local:abc")[.init(id: "local:abc", version: "")] == 1)
    }

    /// A user who can write a status must not be able to flood Prometheus.
    @Test func limitsTheVersionsOfAKey() {
        for index in 0..<200 { put("a\(index)", ready: true, keyID: "local:abc", version: "\(index)") }
        put("long", ready: true, keyID: "local:abc", version: String(repeating: "9", count: 65))
        put("odd", ready: true, keyID: "local:abc", version: "a b\n")
        let counts = byKey("local:abc")
        #expect(counts.count <= ObjectMetrics.maximumVersionsPerKey + 1)
        #expect(counts.values.reduce(0, +) == 202)
        #expect(counts[.init(id: "local:abc", version: "other")] ?? 0 >= 150)
        #expect(byKey("local:abc") == counts)
    }

    @Test func exposesTheSumOfSeveralCaches() {
        let sum = ObjectMetrics.sum([["a": 1, "b": 2], ["b": 3], [:]])
        #expect(sum == ["a": 1, "b": 5])
        #expect(ObjectMetrics.sum([[String: Int]]()).isEmpty)
    }

    /// A scrape must not block the watch and the probes: it reads four counts, whatever the number of objects.
    @Test func readsTheCountsOfAHundredThousandObjectsAtOnce() {
        let beginning = ContinuousClock.now
        for index in 0..<100_000 {
            put(
                "name-\(index)", ready: index % 10 != 0, reason: index % 10 == 0 ? .decryptFailed : .synced,
                keyID: "vault-transit:transit/sb-wrap", version: "\(index % 3)")
        }
        let start = ContinuousClock.now
        let ready = counts.ready
        let keys = byKey("vault-transit:transit/sb-wrap")
        let duration = ContinuousClock.now - start
        #expect(ready.values.reduce(0, +) == 100_000)
        #expect(keys.count == 3)
        // Other load on the machine slows both.
        #expect(duration * 1000 < start - beginning, "a scrape must not visit the objects")
    }
}
