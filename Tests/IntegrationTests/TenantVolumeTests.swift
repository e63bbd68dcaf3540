import Foundation
import KubeClient
import Resources
import System
import Testing

extension TenantAttempts {
    /// Floods of objects, events, statuses and metrics. They are the last, because they take longest.
    @Suite struct TenantVolumeTests {
        /// More than a page of a list, some of them valid.
        @Test func manyLargeObjectsDelayNoOtherNamespace() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await stage.serving {
                    for number in 0..<6 {
                        let value = String(repeating: "x", count: 800_000)
                        try await tenant.apply("valid-\(number)", ["password": value])
                    }
                    try await tenant.applyLarge(count: 30)
                }
                try await stage.expect(["valid-0": .synced, "large-29": .integrityFailed])
                try await stage.victims.expectServed("with all of them")
                try await stage.controller.restart()
                try await stage.victims.expectServed("after a restart")
            }
        }

        /// The API server lists them as more than a page of metadata.
        @Test func manySecretsWithLongMetadataDelayNoOtherNamespace() async throws {
            try await TenantStage.attempt { stage in
                let name = String(repeating: "<", count: 1_400_000)
                let owner =
                    #"{"apiVersion":"example.org/v1","kind":"Nothing","uid":"00000000-0000-0000-0000-000000000000","name":"\#(name)"}"#
                for number in 0..<7 {
                    try await stage.tenant.secret(
                        "long-\(number)",
                        #""labels":{"secrets-bridge.io/managed":"true"},"ownerReferences":[\#(owner)]"#)
                }
                try await stage.victims.expectServed("with all of them")
                try await stage.controller.restart()
                try await stage.victims.expectServed("after a restart")
            }
        }

        /// 300 WrappedSecrets of 30 Secrets that do not exist: requests about them back off, and they share the looks.
        @Test func manyMissingMergeTargetsCauseFewRequests() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await inParallel(300) { number in
                    try await tenant.apply(
                        "merge-\(number)", secret: "missing-\(number % 30)", policy: "Merge")
                }
                try await eventually("all are reported") {
                    try await tenant.reasonCount(.secretMissing) == 300
                }
                try await stage.victims.expectServed("while they wait")
                let audit = try AuditLog(tenant.namespace)
                try await Task.sleep(for: .seconds(10))
                let requests = try audit.requests().count
                #expect(requests <= 60, "in 10 s, about 30 Secrets that do not exist")
                try await tenant.secret("missing-0", #""annotations":{"secrets-bridge.io/allow":"merge"}"#)
                try await tenant.merge(
                    WrappedSecret.resource, "merge-0",
                    #"{"metadata":{"annotations":{"secrets-bridge.io/sync":"now"}}}"#)
                try await tenant.namespace.secret("missing-0", until: "is filled") {
                    $0.values["password"] == "hostile"
                }
            }
        }

        @Test func manyObjectsSpendNoDataKeysOfOthers() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await stage.serving {
                    try await inParallel(200) { try await tenant.apply("small-\($0)") }
                    for round in 0..<2 {
                        try await inParallel(200) { number in
                            try await tenant.merge(
                                WrappedSecret.resource, "small-\(number)",
                                #"{"metadata":{"annotations":{"secrets-bridge.io/sync":"\#(round)"}}}"#)
                        }
                    }
                }
            }
        }

        /// 200 objects whose failure changes all the while: each change is a status and an event. The budget of the events is not
        /// shared with the victim, whose event arrives beside them.
        @Test func manyStatusesAndEventsCrowdOutNoEventOfOthers() async throws {
            try await TenantStage.attempt { stage in
                let (tenant, victim) = (stage.tenant, stage.victims.namespace)
                try await victim.apply("noticed", ["k": "1"])
                let uid = try await victim.reconciled("noticed").status?.secret?.uid
                let mac = String(repeating: "A", count: 43) + "="
                try await inParallel(200) { number in
                    var manifest = try await tenant.wrap("failing-\(number)")
                    manifest.spec.mac = mac
                    try await tenant.apply(manifest)
                }
                try await stage.serving {
                    for round in 0..<3 {
                        let spec = round.isMultiple(of: 2) ? #""format":"v9""# : #""format":"v1""#
                        try await inParallel(200) { number in
                            try await tenant.merge(
                                WrappedSecret.resource, "failing-\(number)", #"{"spec":{\#(spec)}}"#)
                        }
                        if round == 1 { try await victim.kubectl("delete", "secret", "noticed") }
                    }
                }
                try await eventually("the Secret is created again") {
                    try await victim.wrappedSecret("noticed").status?.secret?.uid != uid
                }
                try await eventually("the victim's event arrives", within: .seconds(10)) {
                    try await victim.kubectl(
                        "get", "events", "-o",
                        #"jsonpath={range .items[*]}{.involvedObject.name}={.reason} {end}"#
                    ).contains("noticed=Repaired")
                }
                try await eventually("all report the failure") {
                    try await tenant.reasonCount(.unsupportedFormat) == 200
                }
                try await victim.kubectl("delete", "wsec", "noticed")
            }
        }

        /// Providers that do not exist have no series.
        @Test func manyObjectsMakeFewSeriesOfMetrics() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                func series() async throws -> Set<Substring> {
                    let page = try await stage.controller.status().metrics()
                    #expect(!page.contains("numbered-"))
                    return Set(
                        page.split(separator: "\n").filter { !$0.hasPrefix("#") }
                            .compactMap { $0.split(separator: " ").first })
                }
                try await tenant.apply("numbered-first")
                try await tenant.namespace.reconciled("numbered-first")
                let before = try await series()
                try await inParallel(260) { number in
                    var manifest = try await tenant.wrap("numbered-\(number)")
                    switch number {
                    case 0..<10: manifest.spec.recipients[0].keyID = "numbered-key:\(number)"
                    case 10..<20: manifest.spec.format = "v\(number)"
                    case 20..<30: manifest.spec.template = .init(type: "example.org/numbered-\(number)")
                    default: manifest.spec.keyRef = .init(kind: "KeyProvider", name: "p-\(number)")
                    }
                    try await tenant.apply(manifest)
                }
                try await stage.expect([
                    "numbered-0": .noUsableRecipient, "numbered-10": .unsupportedFormat,
                    "numbered-259": .providerNotFound,
                ])
                let added = try await series().subtracting(before)
                #expect(added.count < 20, "\(added.sorted())")
            }
        }

        private func inParallel(
            _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void
        ) async throws {
            let taskCount = 4
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<taskCount {
                    group.addTask {
                        for number in stride(from: task, to: count, by: taskCount) { try await body(number) }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

extension TenantStage {
    /// Expects that the victims are served all along a flood.
    fileprivate func serving(_ flood: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let isOver = Locked(false)
            group.addTask {
                defer { isOver.withLock { $0 = true } }
                try await flood()
            }
            while !isOver.withLock({ $0 }) {
                try await victims.expectServed("during the flood")
                try await Task.sleep(for: .milliseconds(500))
            }
            try await group.waitForAll()
        }
    }
}

extension HostileTenant {
    /// Returns the number of WrappedSecrets of the tenant with this reason.
    fileprivate func reasonCount(_ reason: Reason) async throws -> Int {
        try await namespace.cluster.admin.list(WrappedSecret.self, Selection(namespace: namespace.name)).items
            .count { item in
                guard case .object(let object) = item else { return false }
                return object.status?.condition(.ready)?.reason == reason.rawValue
            }
    }
}
