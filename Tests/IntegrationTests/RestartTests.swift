import KubeClient
import Resources
import Testing

/// Restarts of the controller, and many objects at once.
@Suite(.onRealServers, .serialized)
struct RestartTests {
    @Test func finishesTheWorkOfAControllerKilledBetweenSecretAndStatus() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.apply("db", ["k": "1"])
            try await RunningController.with(
                namespace, prepare: { _ = $0.hold { $0.method == "PATCH" && $0.path.hasSuffix("/status") } }
            ) { _ in
                try await namespace.secret("db", until: "is written") { $0.values == ["k": "1"] }
            }
            #expect(
                try await namespace.wrappedSecret("db").status?.secret == nil, "the status was never written")
            let written = try #require(try await namespace.secret("db"))

            try await RunningController.with(namespace) { controller in
                let object = try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.metadata.uid == written.metadata.uid)
                #expect(
                    secret.metadata.resourceVersion == written.metadata.resourceVersion,
                    "the Secret needs no change")
                #expect(object.status?.secret?.uid == secret.metadata.uid)
                #expect(controller.key.unwraps == 1)
            }
            let names = try await namespace.kubectl(
                "get", "secret", "-l", "\(OwnershipMetadata.managedLabel)=true", "-o", "name")
            #expect(names == "secret/db\n")
        }
    }

    @Test func losesNoChangeWhenKilledDuringAnUpdate() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                let gate = controller.transport.hold { $0.method == "PATCH" && $0.path.hasSuffix("/status") }
                try await namespace.apply("db", ["k": "2"])
                try await eventually("the status write is held") { gate.held == 1 }
                try await namespace.secret("db", until: "is written") { $0.values == ["k": "2"] }
            }
            try await namespace.apply("db", ["k": "3"])
            try await RunningController.with(namespace) { _ in
                let object = try await namespace.reconciled("db")
                #expect(object.status?.secret?.generation == 3)
                #expect(try await namespace.secret("db")?.values == ["k": "3"])
            }
        }
    }

    @Test func syncsAThousandWithOneUnwrapEachAndNoneAfterARestart() async throws {
        let count = 1000
        try await TestNamespace.withShared { namespace in
            let names = (0..<count).map { "db-\($0)" }
            try await RunningController.with(namespace) { controller in
                try await namespace.applyAll(names) { "value of \($0)" }
                try await eventually("all are synced", within: .seconds(240)) {
                    try await namespace.syncedCount() == count
                }
                #expect(controller.key.unwraps == count)
                #expect(controller.transport.count { $0.method == "POST" && $0.isWrite } == count)
                #expect(
                    controller.transport.count { $0.method == "PATCH" && $0.path.hasSuffix("/status") }
                        == count)
                #expect(controller.transport.writes == 2 * count)
            }
            for index in [0, 499, 500, 999] {
                #expect(try await namespace.secret(names[index])?.values == ["k": "value of db-\(index)"])
            }
            try await RunningController.with(namespace) { controller in
                try await eventually("the caches are complete") {
                    controller.log.lines.contains { $0.contains("caches complete") }
                }
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps { !$0.hasPrefix(RunningController.probePrefix) } == 0)
                // The path of a POST does not contain the name of the Secret, but each creation needs an unwrap.
                #expect(
                    controller.transport.count {
                        $0.isWrite && $0.method != "POST" && !$0.path.contains(RunningController.probePrefix)
                    } == 0)
                for plural in ["secrets", "wrappedsecrets"] {
                    let pages = controller.transport.count { $0.isList(of: plural) }
                    let streamed = controller.transport.count {
                        $0.path.hasSuffix("/\(plural)") && $0.query.contains("sendInitialEvents")
                            && $0.status == 200
                    }
                    // Secrets: a page, and an empty one because of the selector.
                    #expect(
                        (1...2).contains(pages) && streamed == 0 || (pages, streamed) == (0, 1), "\(plural)")
                }
            }
        }
    }

    @Test func needsNoUnwrapForRewrittenSecretsAndOneEachAfterARestart() async throws {
        try await TestNamespace.withShared { namespace in
            let names = (0..<20).map { "db-\($0)" }
            func settle(_ controller: RunningController) async throws -> (unwraps: Int, writes: Int) {
                try await controller.catchUp(namespace)
                return (
                    controller.key.unwraps { !$0.hasPrefix(RunningController.probePrefix) },
                    controller.transport.count {
                        $0.isWrite && $0.method != "POST" && $0.path.contains("/secrets/")
                            && !$0.path.contains(RunningController.probePrefix)
                    }
                )
            }
            var manifest = try await namespace.wrap("db-0", ["k": "v"])
            try await RunningController.with(namespace) { controller in
                try await namespace.applyAll(Array(names.dropFirst())) { $0 }
                try await namespace.apply(manifest)
                try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
                let before = try await settle(controller)
                #expect(before.unwraps == names.count)

                try await labelAll(namespace, "foreign=l")
                try await namespace.cluster.rewriteSecrets(in: namespace.name)
                let after = try await settle(controller)
                #expect(after == before, "metadata of other writers and a rewrite in etcd are no drift")

                manifest.spec.template = .init(metadata: .init(labels: ["team": "payments"]))
                try await namespace.apply(manifest)
                try await namespace.secret("db-0", until: "has the label") {
                    $0.metadata.labels?["team"] == "payments" && $0.metadata.labels?["foreign"] == "l"
                }
                try await namespace.reconciled("db-0")
                try await namespace.kubectl("label", "secret", "db-1", "\(OwnershipMetadata.managedByLabel)-")
                try await namespace.secret("db-1", until: "has the managed label again") {
                    $0.metadata.labels?[OwnershipMetadata.managedByLabel] == "secrets-bridge"
                }
                try await namespace.reconciled("db-1")
                let relabelled = try await settle(controller)
                #expect(relabelled.unwraps == before.unwraps)
                #expect(relabelled.writes == before.writes + 2, "two Secrets, for their metadata")
            }
            try await labelAll(namespace, "foreign=again")
            try await namespace.cluster.rewriteSecrets(in: namespace.name)
            let version = try await namespace.secret("db-3")?.metadata.resourceVersion
            try await RunningController.with(namespace) { controller in
                // The data of the Secrets may have changed meanwhile: each is verified once.
                try await eventually("all are verified") {
                    try await settle(controller) == (names.count, names.count)
                }
                #expect(try await namespace.secret("db-3")?.metadata.resourceVersion == version)
            }
            try await RunningController.with(namespace) { controller in
                #expect(try await settle(controller) == (0, 0), "the statuses have the verified versions")
                try await namespace.kubectl(
                    "patch", "secret", "db-2", "-p", #"{"data":{"k":"dGFtcGVyZWQ="}}"#)
                try await namespace.secret("db-2", until: "is repaired") { $0.values == ["k": "db-2"] }
                #expect(controller.key.unwraps(of: "db-2") == 1)
            }
        }
    }

    /// A Secret may be deleted before its turn.
    private func labelAll(_ namespace: TestNamespace, _ label: String) async throws {
        try await eventually("all are labelled") {
            try await namespace.kubectl("label", "secrets", "--all", label, "--overwrite")
            return true
        }
    }
}
