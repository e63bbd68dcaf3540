import Envelope
import KMS
import KubeClient
import Resources
import Testing

/// From a WrappedSecret to its Secret and back to nothing.
@Suite("Lifecycle", .onRealServers, .serialized)
struct LifecycleTests {
    @Test("A new WrappedSecret becomes a Secret, and its status says so")
    func create() async throws {
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
                let made = try #require(status.secret)
                #expect(made.name == "db")
                #expect(made.uid == secret.metadata.uid)
                #expect(made.resourceVersion == secret.metadata.resourceVersion)
                #expect(made.generation == 1)
                #expect(made.mac == object.spec.envelope.mac)
                #expect(made.renderVersion == 1)
                #expect(status.keyID == namespace.key.keyID)
                #expect(status.lastSyncTime != nil)
                #expect(status.conditions?.map(\.type) == ["Ready"])
                #expect(status.condition(.ready)?.status == "True")
                #expect(status.condition(.ready)?.observedGeneration == 1)
            }
            let rows = try await namespace.kubectl("get", "wsec").split(separator: "\n")
            #expect(rows.count == 2)
            #expect(columns(rows.first) == ["NAME", "READY", "REASON", "SECRET", "KEY", "AGE"])
            #expect(columns(rows.last).dropLast() == ["db", "True", "Synced", "db", namespace.key.keyID])
        }
    }

    private func columns(_ row: Substring?) -> [String] { row?.split(separator: " ").map(String.init) ?? [] }

    @Test("New values and a new template reach the Secret; what others added to its metadata stays")
    func update() async throws {
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
                #expect(secret.metadata.labels?["b"] == nil, "gone from the template")
                #expect(secret.metadata.annotations?["x"] == nil, "gone from the template")
                #expect(secret.metadata.labels?["foreign"] == "l")
                #expect(secret.metadata.annotations?["foreign"] == "a")
                #expect(after.status?.secret?.generation == 2)
            }
        }
    }

    @Test("Each change costs one unwrap and one write; our own writes are no changes")
    func cost() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                func writes() -> [String] {
                    controller.transport.requests.filter {
                        $0.isWrite && !$0.path.contains(RunningController.probePrefix)
                    }
                    .map { "\($0.method) \($0.path.split(separator: "/").suffix(2).joined(separator: "/"))" }
                    // Which Secret a POST makes, its path does not tell.
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

    @Test("Deleting the WrappedSecret deletes the Secret")
    func deletion() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await namespace.kubectl("delete", "wsec", "db")
                try await controller.expectStaysDeleted("db", namespace)
            }
        }
    }

    @Test("An object that is being deleted in the foreground is left alone; its successor gets a Secret")
    func recreation() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                let first = try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                // Holds the object where a naive repair would make the Secret again, over and over.
                try await namespace.kubectl(
                    "patch", "wsec", "db", "--type=merge", "-p",
                    #"{"metadata":{"finalizers":["example.org/hold"]}}"#)
                try await namespace.kubectl("delete", "wsec", "db", "--cascade=foreground", "--wait=false")
                try await controller.catchUp(namespace)
                // By hand: an owner reference that does not block makes no promise that the collector takes it
                // before the owner is gone.
                try await namespace.kubectl("delete", "secret", "db", "--ignore-not-found")
                try await namespace.kubectl("annotate", "wsec", "db", "touched=yes")
                try await controller.expectStaysDeleted("db", namespace)

                try await namespace.kubectl(
                    "patch", "wsec", "db", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
                try await eventually("the predecessor is gone") {
                    try await namespace.cluster.tryKubectl("get", "wsec", "db", "-n", namespace.name).status
                        == 1
                }
                let second = try await namespace.apply("db", ["k": "2"])
                #expect(second.uid != first.uid)
                let secret = try await namespace.secret("db", until: "is the successor's") {
                    $0.metadata.ownerReferences?.map(\.uid) == [second.uid ?? ""]
                }
                #expect(secret.values == ["k": "2"])
                try await namespace.reconciled("db")
            }
        }
    }

    @Test("Deleted and made again at once, it ends with a Secret of the new object")
    func immediateRecreation() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                for round in 1...5 {
                    let manifest = try await namespace.wrap("db", ["k": "\(round)"])
                    let object = try await namespace.apply(manifest)
                    try await namespace.secret("db", until: "belongs to round \(round) and is settled") {
                        $0.metadata.ownerReferences?.first?.uid == object.uid
                    }
                    try await namespace.reconciled("db")
                    try await namespace.cluster.admin.delete(
                        WrappedSecret.resource, manifest.ref,
                        propagation: round.isMultiple(of: 2) ? .background : .foreground)
                    // Foreground deletion takes its moment; the name is free when the object is gone.
                    try await eventually("the name is free") {
                        do {
                            let next = try await namespace.apply("db", ["k": "after \(round)"])
                            return next.uid != object.uid && next.deletionTimestamp == nil
                        } catch let error as KubeError where error.code == .conflict {
                            return false
                        }
                    }
                    let after = try await namespace.wrappedSecret("db")
                    // The collector may take the Secret that the successor has just taken over; it comes back.
                    try await eventually("the Secret is the successor's, and stays") {
                        guard let secret = try await namespace.secret("db"),
                            secret.metadata.deletionTimestamp == nil,
                            secret.metadata.ownerReferences?.map(\.uid) == [after.metadata.uid ?? ""]
                        else { return false }
                        let made = try await namespace.wrappedSecret("db").status?.secret
                        return made?.uid == secret.metadata.uid && secret.values == ["k": "after \(round)"]
                    }
                }
            }
        }
    }
}
