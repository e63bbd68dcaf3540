import Controller
import KubeClient
import TestSupport
import Testing

/// Watches that cannot continue, because etcd has compacted what they missed, on a dedicated control plane.
@Suite(.onRealServers, .dedicatedCluster, .serialized)
struct CompactionTests {
    @Test func listsAgainAfterACompactionAndMissesNothing() async throws {
        let cluster = try DedicatedCluster.required()
        try await TestNamespace.with(cluster) { namespace in
            try await RunningController.with(namespace) { controller in
                for name in ["edited", "deleted", "gone", "drifted"] {
                    try await namespace.apply(name, ["k": "1"])
                    try await namespace.reconciled(name)
                }
                try await controller.catchUp(namespace)
                let watches = controller.transport.hold {
                    $0.isWatch && !$0.query.contains("sendInitialEvents")
                }
                let lists = controller.transport.hold {
                    $0.isList(of: "wrappedsecrets")
                        || $0.path.hasSuffix("/wrappedsecrets") && $0.query.contains("sendInitialEvents")
                }
                try await cluster.script("restart-apiserver")
                try await eventually("both watches are held") { watches.held == 2 }
                // The watches do not see these changes.
                try await namespace.applyAfterRestart("edited", ["k": "2"])
                try await namespace.kubectl("delete", "secret", "deleted")
                try await namespace.kubectl("delete", "wsec", "gone")
                try await eventually("the garbage collector deletes the Secret") {
                    try await namespace.secret("gone") == nil
                }
                try await cluster.script("compact")
                // The restart also clears the watch cache of the server.
                try await cluster.script("restart-apiserver")
                let before = controller.transport.count {
                    $0.isList(of: "secrets") || $0.query.contains("sendInitialEvents")
                }
                watches.open()

                // While the new list of WrappedSecrets is held, the old contents serve.
                try await eventually("the list is requested") { lists.held == 1 }
                try await namespace.secret("deleted", until: "is restored") { $0.values == ["k": "1"] }
                try await namespace.kubectl("delete", "secret", "drifted")
                try await namespace.secret("drifted", until: "is restored") { $0.values == ["k": "1"] }
                lists.open()
                try await namespace.secret("edited", until: "has the new value") { $0.values == ["k": "2"] }
                try await controller.catchUp(namespace)
                #expect(
                    controller.transport.count {
                        $0.isList(of: "secrets") || $0.query.contains("sendInitialEvents")
                    }
                        > before, "listed again")
                try await namespace.kubectl("delete", "secret", "drifted")
                try await namespace.secret("drifted", until: "is restored") { $0.values == ["k": "1"] }
                // The deleted WrappedSecret is known: its Secret is not recreated.
                try await controller.expectStaysDeleted("gone", namespace)
            }
        }
    }

    @Test func recreatesASecretDeletedDuringAWatchOutage() async throws {
        let cluster = try DedicatedCluster.required()
        try await TestNamespace.with(cluster) { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                let gate = controller.transport.hold { $0.path.hasSuffix("/secrets") && $0.method == "GET" }
                try await cluster.script("restart-apiserver")
                try await eventually("the watch of Secrets is held") { gate.held == 1 }
                try await namespace.applyAfterRestart("new", ["k": "new"])
                try await namespace.reconciled("new")
                try await namespace.kubectl("delete", "secret", "new")
                try await cluster.script("compact")
                try await cluster.script("restart-apiserver")
                gate.open()
                try await namespace.secret("new", until: "is restored") { $0.values == ["k": "new"] }
            }
        }
    }
}
