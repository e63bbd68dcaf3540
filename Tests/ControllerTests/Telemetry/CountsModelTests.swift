import JSON
import KubeClient
import Logging
import Resources
import TestSupport
import Testing

@testable import Controller

/// Random changes of objects and providers: after each, the kept counts equal those of a count from scratch.
@Suite struct CountsModelTests {
    private static let statuses = ["True", "False", "Unknown", "maybe"]
    private static let reasons = [
        "Synced", "Ready", "KMSUnavailable", "AccessDenied", "", "WrittenByAnother",
    ]
    private static let keys: [String?] = ["local:a", "local:b", nil]
    private static let versions: [String?] = ["1", "2", "a b\n", String(repeating: "9", count: 65), nil]

    @Test(arguments: 0..<20) func keptCountsOfObjectsEqualACountFromScratch(seed: Int) throws {
        var random = SeededGenerator(seed)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let informers = Informers(queue: WorkQueue(), logger: logger)
        var version = 0
        for step in 0..<400 {
            let name = "db-\(Int.random(in: 0..<12, using: &random))"
            version += 1
            switch Int.random(in: 0..<20, using: &random) {
            case 0: informers.handle(WatcherEvent<WrappedSecret>.initStarted)
            case 1: informers.handle(WatcherEvent<WrappedSecret>.initDone(resourceVersion: "\(version)"))
            case 2...4:
                let metadata = ObjectMeta(name: name, namespace: "payments")
                informers.handle(WatcherEvent<WrappedSecret>.deleted(metadata))
            default:
                informers.handle(.applied(Self.object(name, version: version, &random)))
            }
            let scratch = Self.counted(informers.objects)
            try #require(informers.counts.ready == scratch.ready, "after step \(step)")
            try #require(informers.counts.keys == scratch.keys, "after step \(step)")
            try #require(informers.providerUsers.counts == scratch.providers, "after step \(step)")
        }
    }

    /// An etcd that was restored from a backup assigns versions again.
    @Test func aListCorrectsTheCountOfAnObjectThatDiffersUnderTheSameVersion() {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let informers = Informers(queue: WorkQueue(), logger: logger)
        for reason in ["Synced", "KMSUnavailable"] {
            var object = unsealedWrappedSecret("db")
            object.status = WrappedSecretStatus()
            object.status?.conditions = [
                Condition(
                    .ready, true, observedGeneration: 1, lastTransitionTime: "", reason: reason, message: "")
            ]
            informers.handle(WatcherEvent<WrappedSecret>.initStarted)
            informers.handle(.applied(.object(object)))
            informers.handle(WatcherEvent<WrappedSecret>.initDone(resourceVersion: "10"))
            #expect(informers.counts.ready == [.init(ready: "True", reason: reason): 1])
        }
    }

    @Test(arguments: 0..<20) func keptCountsOfProvidersEqualACountFromScratch(seed: Int) throws {
        var random = SeededGenerator(seed)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let caches = ProviderCaches(namespaces: ["payments", "shop"], logger: logger) { _ in }
        let clusterKeyProvider = try JSONReader.read(
            ClusterKeyProvider.self, from: Array(#"{"metadata":{"name":"eu"},"spec":{}}"#.utf8))
        let keyProvider = try JSONReader.read(
            KeyProvider.self,
            from: Array(
                #"{"metadata":{"name":"eu"},"spec":{"clusterKeyProvider":"eu","serviceAccountName":"r"}}"#
                    .utf8
            ))
        for step in 0..<400 {
            let namespace = ["payments", "shop"].randomElement(using: &random) ?? ""
            let name = "key-\(Int.random(in: 0..<6, using: &random))"
            if Bool.random(using: &random) {
                var object = clusterKeyProvider
                object.metadata = ObjectMeta(name: name, resourceVersion: "\(step)")
                object.status = Self.providerStatus(&random)
                caches.handle(Self.event(object, step, &random))
            } else {
                var object = keyProvider
                object.metadata = ObjectMeta(name: name, namespace: namespace, resourceVersion: "\(step)")
                object.status = Self.providerStatus(&random)
                caches.handle(Self.event(object, step, &random), namespace: namespace)
            }
            try #require(caches.counts.counts == Self.counted(caches), "after step \(step)")
        }
    }

    // MARK: random objects

    private static func object(
        _ name: String, version: Int, _ random: inout SeededGenerator
    ) -> Decoded<WrappedSecret> {
        var object = unsealedWrappedSecret(name)
        object.metadata.resourceVersion = "\(version)"
        object.status = objectStatus(&random)
        if Bool.random(using: &random) {
            let kind = Bool.random(using: &random) ? "KeyProvider" : "ClusterKeyProvider"
            object.spec.keyRef = WrappedSecretSpec.KeyRef(
                kind: kind, name: "key-\(Int.random(in: 0..<3, using: &random))")
        }
        guard Int.random(in: 0..<5, using: &random) == 0 else { return .object(object) }
        return .malformed(object.metadata, status: object.status, problem: "p")
    }

    private static func condition(_ random: inout SeededGenerator) -> Condition {
        var condition = Condition(
            .ready, true, observedGeneration: 1, lastTransitionTime: "",
            reason: reasons.randomElement(using: &random) ?? "", message: "")
        condition.status = statuses.randomElement(using: &random) ?? ""
        return condition
    }

    private static func objectStatus(_ random: inout SeededGenerator) -> WrappedSecretStatus? {
        guard Int.random(in: 0..<4, using: &random) > 0 else { return nil }
        var status = WrappedSecretStatus()
        if Bool.random(using: &random) { status.conditions = [condition(&random)] }
        status.keyID = keys.randomElement(using: &random) ?? nil
        status.keyVersion = versions.randomElement(using: &random) ?? nil
        return status
    }

    private static func providerStatus(_ random: inout SeededGenerator) -> KeyProviderStatus? {
        guard Int.random(in: 0..<4, using: &random) > 0 else { return nil }
        var status = KeyProviderStatus()
        if Bool.random(using: &random) { status.conditions = [condition(&random)] }
        return status
    }

    private static func event<Object: KeyProviderObject>(
        _ object: Object, _ step: Int, _ random: inout SeededGenerator
    ) -> WatcherEvent<Object> {
        switch Int.random(in: 0..<16, using: &random) {
        case 0: .initStarted
        case 1: .initDone(resourceVersion: "\(step)")
        case 2...4: .deleted(object.metadata)
        case 5: .applied(.malformed(object.metadata, status: object.status, problem: "p"))
        default: .applied(.object(object))
        }
    }

    // MARK: counts from scratch

    private static func counted(
        _ store: Store<Decoded<WrappedSecret>>
    ) -> (
        ready: [ObjectCounts.ReadyState: Int], keys: [ObjectCounts.KeyVersion: Int],
        providers: [ProviderRef: Int]
    ) {
        var ready: [ObjectCounts.ReadyState: Int] = [:]
        var keys: [ObjectCounts.KeyVersion: Int] = [:]
        var providers: [ProviderRef: Int] = [:]
        for item in store.refs.compactMap({ store[$0] }) {
            let condition = item.status?.condition(.ready)
            let reason = condition?.reason ?? ""
            let known = reason.isEmpty || Reason.allCases.contains { $0.rawValue == reason }
            let isDefinite = condition?.status == "True" || condition?.status == "False"
            let status = isDefinite ? condition?.status : nil
            ready[.init(ready: status ?? "Unknown", reason: known ? reason : "other"), default: 0] += 1
            if let id = item.status?.keyID {
                let version = item.status?.keyVersion ?? ""
                keys[.init(id: id, version: version.count > 1 ? "other" : version), default: 0] += 1
            }
            if case .object(let object) = item, let reference = object.spec.keyRef {
                providers[ProviderRef(reference, namespace: "payments"), default: 0] += 1
            }
        }
        return (ready, keys, providers)
    }

    private static func counted(_ caches: ProviderCaches) -> [ProviderCounts.ReadyState: Int] {
        var counts: [ProviderCounts.ReadyState: Int] = [:]
        for provider in caches.providers {
            let ready = caches.state(of: provider)?.status?.ready
            let isDefinite = ready?.status == "True" || ready?.status == "False"
            let reason = ready.map { ready in
                KeyProviderReason.allCases.contains { $0.rawValue == ready.reason } ? ready.reason : "other"
            }
            let state = ProviderCounts.ReadyState(
                kind: provider.kind, ready: isDefinite ? ready?.status ?? "" : "Unknown", reason: reason ?? ""
            )
            counts[state, default: 0] += 1
        }
        return counts
    }
}
