import Envelope
import KMS
import KubeClient
import Resources
import Testing

/// From the creation of a WrappedSecret and its Secret to their deletion.
@Suite(.onRealServers, .serialized)
struct LifecycleTests {
    @Test func createsTheSecretAndReportsItInTheStatus() async throws {
        try await TestNamespace.withShared { namespace in
            let template = Manifest.Template(
                metadata: .init(
                    labels: ["team": "payments"], annotations: ["example.org/contact": "a b: \"c\""]),
                type: "kubernetes.io/basic-auth", immutable: nil)
            let values = ["username": "häns", "password": "p\"w\\\n\u{0}\u{2028}", "empty": ""]
            try await RunningController.with(namespace) { _ in
                try await namespace.apply(try await namespace.wrap("db", values, template: template))
                let object = try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))

                #expect(secret.values == values)
                #expect(secret.type == "kubernetes.io/basic-auth")
                #expect(secret.immutable != true)
                #expect(
                    secret.metadata.labels == [
                        "team": "payments", OwnershipMetadata.managedLabel: "true",
                        OwnershipMetadata.managedByLabel: "secrets-bridge",
                    ])
                #expect(
                    secret.metadata.annotations == [
                        "example.org/contact": "a b: \"c\"", OwnershipMetadata.wrappedSecretAnnotation: "db",
                        OwnershipMetadata.sourceAnnotation: "\(object.metadata.uid ?? "")/1",
                    ])
                let owners = try #require(secret.metadata.ownerReferences)
                #expect(
                    owners == [
                        OwnerReference(
                            apiVersion: "secrets-bridge.io/v1alpha1", kind: "WrappedSecret", name: "db",
                            uid: object.metadata.uid ?? "", controller: true)
                    ])

                let status = try #require(object.status)
                let recorded = try #require(status.secret)
                #expect(recorded.name == "db")
                #expect(recorded.uid == secret.metadata.uid)
                #expect(recorded.resourceVersion == secret.metadata.resourceVersion)
                #expect(recorded.generation == 1)
                #expect(recorded.mac == object.spec.envelope.mac)
                #expect(recorded.renderVersion == 1)
                #expect(status.keyID == namespace.key.keyID)
                #expect(status.lastSyncTime != nil)
                #expect(status.conditions?.map(\.type) == ["Ready"])
                #expect(status.condition(.ready)?.status == "True")
                #expect(status.condition(.ready)?.observedGeneration == 1)
            }
            let lines = try await namespace.kubectl("get", "wsec").split(separator: "\n")
            #expect(lines.count == 2)
            #expect(columns(lines.first) == ["NAME", "READY", "REASON", "SECRET", "KEY", "AGE"])
            #expect(columns(lines.last).dropLast() == ["db", "True", "Synced", "db", namespace.key.keyID])
        }
    }

    private func columns(_ line: Substring?) -> [String] {
        line?.split(separator: " ").map(String.init) ?? []
    }

    @Test func updatesTheSecretAndKeepsMetadataOfOtherWriters() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var template = Manifest.Template(
                    metadata: .init(labels: ["a": "1", "b": "1"], annotations: ["x": "1", "y": "1"]))
                try await namespace.apply(
                    try await namespace.wrap("db", ["user": "u1", "password": "p1"], template: template))
                let before = try await namespace.reconciled("db")
                try await namespace.kubectl("label", "secret", "db", "foreign=l")
                try await namespace.kubectl("annotate", "secret", "db", "foreign=a")

                template.metadata = .init(labels: ["a": "2"], annotations: ["y": "1"])
                try await namespace.apply(
                    try await namespace.wrap("db", ["password": "p2", "host": "h"], template: template))
                let after = try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))
                #expect(after.metadata.generation == 2)
                #expect(secret.metadata.uid == before.status?.secret?.uid, "updated in place")
                #expect(secret.values == ["password": "p2", "host": "h"])
                #expect(secret.metadata.labels?["a"] == "2")
                #expect(secret.metadata.labels?["b"] == nil, "removed from the template")
                #expect(secret.metadata.annotations?["x"] == nil, "removed from the template")
                #expect(secret.metadata.labels?["foreign"] == "l")
                #expect(secret.metadata.annotations?["foreign"] == "a")
                #expect(after.status?.secret?.generation == 2)
            }
        }
    }

    @Test func eachChangeCostsOneUnwrapAndOneWrite() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                func writes() -> [String] {
                    controller.transport.requests.filter {
                        $0.isWrite && !$0.path.contains(RunningController.probePrefix)
                    }
                    .map { "\($0.method) \($0.path.split(separator: "/").suffix(2).joined(separator: "/"))" }
                    // The path of a POST does not contain the name of the Secret.
                    .filter { !$0.hasPrefix("POST") }
                }
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "db") == 1)
                #expect(writes() == ["PATCH db/status"])

                try await namespace.apply("db", ["k": "2"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "db") == 2)
                #expect(writes() == ["PATCH db/status", "PATCH secrets/db", "PATCH db/status"])
            }
        }
    }

    @Test func deletesTheSecretWithItsWrappedSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await namespace.kubectl("delete", "wsec", "db")
                try await controller.expectStaysDeleted("db", namespace)
            }
        }
    }

    @Test func ignoresATerminatingWrappedSecretAndServesItsSuccessor() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                let first = try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                // Keeps the object terminating, where a controller without this check would recreate the Secret again and again.
                try await namespace.kubectl(
                    "patch", "wsec", "db", "--type=merge", "-p",
                    #"{"metadata":{"finalizers":["example.org/hold"]}}"#)
                try await namespace.kubectl("delete", "wsec", "db", "--cascade=foreground", "--wait=false")
                try await controller.catchUp(namespace)
                // By hand: without blockOwnerDeletion the garbage collector need not delete the Secret
                // before its owner.
                try await namespace.kubectl("delete", "secret", "db", "--ignore-not-found")
                try await namespace.kubectl("annotate", "wsec", "db", "touched=yes")
                try await controller.expectStaysDeleted("db", namespace)

                try await namespace.kubectl(
                    "patch", "wsec", "db", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
                try await eventually("the predecessor is deleted") {
                    try await namespace.cluster.tryKubectl("get", "wsec", "db", "-n", namespace.name).status
                        == 1
                }
                let second = try await namespace.apply("db", ["k": "2"])
                #expect(second.uid != first.uid)
                let secret = try await namespace.secret("db", until: "belongs to the successor") {
                    $0.metadata.ownerReferences?.map(\.uid) == [second.uid ?? ""]
                }
                #expect(secret.values == ["k": "2"])
                try await namespace.reconciled("db")
            }
        }
    }

    @Test func createsTheSecretOfAnImmediatelyRecreatedWrappedSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                for round in 1...5 {
                    let manifest = try await namespace.wrap("db", ["k": "\(round)"])
                    let object = try await namespace.apply(manifest)
                    try await namespace.secret("db", until: "belongs to round \(round) and is synced") {
                        $0.metadata.ownerReferences?.first?.uid == object.uid
                    }
                    try await namespace.reconciled("db")
                    try await namespace.cluster.admin.delete(
                        WrappedSecret.resource, manifest.ref,
                        propagation: round.isMultiple(of: 2) ? "Background" : "Foreground")
                    // Foreground deletion takes time; the name is free once the object is deleted.
                    try await eventually("the name is free") {
                        do {
                            let next = try await namespace.apply("db", ["k": "after \(round)"])
                            return next.uid != object.uid && next.deletionTimestamp == nil
                        } catch let error as KubeError where error.code == .conflict {
                            return false
                        }
                    }
                    let after = try await namespace.wrappedSecret("db")
                    // The garbage collector may delete the Secret that the successor has just adopted; it is recreated.
                    try await eventually("the Secret belongs to the successor and stays") {
                        guard let secret = try await namespace.secret("db"),
                            secret.metadata.deletionTimestamp == nil,
                            secret.metadata.ownerReferences?.map(\.uid) == [after.metadata.uid ?? ""]
                        else { return false }
                        let recorded = try await namespace.wrappedSecret("db").status?.secret
                        return recorded?.uid == secret.metadata.uid
                            && secret.values == ["k": "after \(round)"]
                    }
                }
            }
        }
    }
}
