import Controller
import Foundation
import KubeClient
import Resources
import Testing

/// `creationPolicy: Merge`: entries of a WrappedSecret in a Secret of another owner.
@Suite(.onRealServers, .serialized)
struct MergeTests {
    private static func merge(
        _ name: String, _ values: [String: String], into target: String, _ namespace: TestNamespace
    ) async throws -> Manifest {
        var manifest = try await namespace.wrap(
            name, values, template: .init(metadata: .init(name: target)))
        manifest.spec.creationPolicy = "Merge"
        return manifest
    }

    /// Creates a Secret `app` with one entry, which permits merged entries.
    private static func makeTarget(
        _ namespace: TestNamespace, _ name: String = "app", theirs: String = "1", isOpen: Bool = true
    ) async throws {
        let annotations =
            isOpen ? #", "annotations": {"\#(OwnershipMetadata.allowAnnotation)": "merge"}"# : ""
        let secret = """
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "\(name)"\(annotations)},
             "data": {"theirs": "\(Data(theirs.utf8).base64EncodedString())"}}
            """
        try await namespace.kubectl(
            "apply", "--server-side", "--field-manager=chart", "-f", "-", input: Data(secret.utf8))
    }

    private static func message(_ object: WrappedSecret) -> String {
        object.status?.condition(.ready)?.message ?? ""
    }

    @Test func waitsForTheSecretAndPermissionThenKeepsItsEntries() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace, adjust: { $0.unwatchedSecretInterval = .seconds(1) })
            {
                controller in
                try await namespace.apply(try await Self.merge("db", ["ours": "1"], into: "app", namespace))
                let missing = try await namespace.reconciled("db", .secretMissing)
                #expect(Self.message(missing).contains("Secret app does not exist"))

                try await Self.makeTarget(namespace, isOpen: false)
                let closed = try await namespace.reconciled("db", .secretConflict)
                #expect(Self.message(closed).contains("\(OwnershipMetadata.allowAnnotation)=merge"))
                #expect(controller.key.unwraps(of: "app") == 0)
                let before = try #require(try await namespace.secret("app"))

                try await Self.makeTarget(namespace)
                try await namespace.reconciled("db")
                let merged = try #require(try await namespace.secret("app"))
                #expect(merged.values == ["theirs": "1", "ours": "1"])
                #expect(merged.metadata.uid == before.metadata.uid)
                #expect(merged.metadata.ownerReferences == nil)
                #expect(merged.metadata.labels == [OwnershipMetadata.managedLabel: "true"])

                // Changes of the owner's own entries are not drift.
                try await controller.catchUp(namespace)
                let unwraps = controller.key.unwraps(of: "app")
                try await Self.makeTarget(namespace, theirs: "2")
                try await namespace.kubectl("label", "secret", "app", "team=a")
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "app") == unwraps)

                let drifts = [
                    ["patch", "secret", "app", "-p", #"{"stringData":{"ours":"other"}}"#],
                    ["patch", "secret", "app", "-p", #"{"data":{"ours":null}}"#],
                    ["label", "secret", "app", "\(OwnershipMetadata.managedLabel)-"],
                ]
                for drift in drifts {
                    _ = try await Program(
                        namespace.cluster.kubectl,
                        ["--kubeconfig", namespace.cluster.kubeconfig, "-n", namespace.name] + drift
                    ).outcome()
                    try await namespace.secret("app", until: "is repaired after \(drift)") {
                        $0.values == ["theirs": "2", "ours": "1"]
                            && $0.metadata.labels?[OwnershipMetadata.managedLabel] == "true"
                    }
                    try await controller.catchUp(namespace)
                }

                // The owner recreates the Secret.
                try await namespace.kubectl("delete", "secret", "app")
                try await namespace.reconciled("db", .secretMissing)
                try await Self.makeTarget(namespace)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("app")?.values == ["theirs": "1", "ours": "1"])

                // New entries replace the old ones; the entries of the owner stay, also after the WrappedSecret is deleted.
                try await namespace.apply(try await Self.merge("db", ["new": "2"], into: "app", namespace))
                try await namespace.secret("app", until: "has only the new entry") {
                    $0.values == ["theirs": "1", "new": "2"]
                }
                try await namespace.reconciled("db")
                try await namespace.kubectl("delete", "wsec", "db")
                try await controller.catchUp(namespace)
                #expect(try await namespace.secret("app")?.values == ["theirs": "1", "new": "2"])
            }
        }
    }

    @Test func verifiesAChangedSecretOnceAfterARestart() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeTarget(namespace)
            try await RunningController.with(namespace) { controller in
                try await namespace.apply(try await Self.merge("db", ["ours": "1"], into: "app", namespace))
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
            }
            let before = try #require(try await namespace.secret("app"))
            try await namespace.kubectl("annotate", "secret", "app", "example.org/x=y")
            for unwraps in [1, 0] {
                try await RunningController.with(namespace) { controller in
                    try await controller.catchUp(namespace)
                    #expect(controller.key.unwraps(of: "app") == unwraps)
                    #expect(
                        controller.transport.count {
                            $0.method == "PATCH" && $0.path.hasSuffix("/secrets/app")
                        }
                            == unwraps)
                }
            }
            #expect(try await namespace.secret("app")?.values == before.values)
        }
    }

    @Test func severalShareASecretAndTheFirstOwnsAnEntry() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeTarget(namespace)
            try await Self.makeTarget(namespace, "other")
            try await RunningController.with(namespace) { controller in
                for name in ["a", "b"] {
                    try await namespace.apply(try await Self.merge(name, [name: "1"], into: "app", namespace))
                    try await namespace.reconciled(name)
                }
                #expect(try await namespace.secret("app")?.values == ["theirs": "1", "a": "1", "b": "1"])
                try await namespace.apply(try await Self.merge("c", ["a": "2"], into: "app", namespace))
                let loser = try await namespace.reconciled("c", .ownedByAnother)
                #expect(Self.message(loser).contains(".data.a"), "\(Self.message(loser))")
                try await controller.catchUp(namespace)
                #expect(try await namespace.secret("app")?.values["a"] == "1")

                try await namespace.apply(try await Self.merge("a", ["a": "1"], into: "other", namespace))
                try await namespace.secret("other", until: "has the entry") {
                    $0.values == ["theirs": "1", "a": "1"]
                }
                try await namespace.secret(
                    "app", until: "loses the entry, and the other WrappedSecret adds its own"
                ) {
                    $0.values == ["theirs": "1", "a": "2", "b": "1"]
                }
                try await namespace.reconciled("c")
                try await namespace.reconciled("b")
            }
        }
    }

    @Test func refusesAnEntryOfAnotherManager() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeTarget(namespace)
            try await RunningController.with(namespace, adjust: { $0.unwatchedSecretInterval = .seconds(1) })
            {
                _ in
                try await namespace.apply(try await Self.merge("db", ["theirs": "2"], into: "app", namespace))
                let message = Self.message(try await namespace.reconciled("db", .secretConflict))
                #expect(message.contains(".data.theirs"), "\(message)")
                #expect(message.contains("chart"), "\(message)")
                #expect(try await namespace.secret("app")?.values == ["theirs": "1"])
                try await namespace.kubectl("patch", "secret", "app", "-p", #"{"data":{"theirs":null}}"#)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("app")?.values == ["theirs": "2"])
            }
        }
    }

    @Test func refusesALabelOfAnotherManager() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeTarget(namespace)
            try await namespace.kubectl("label", "secret", "app", "app=theirs")
            try await RunningController.with(namespace) { _ in
                var manifest = try await Self.merge("db", ["ours": "1"], into: "app", namespace)
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                manifest.spec.template = .init(metadata: .init(name: "app", labels: ["app": "ours"]))
                try await namespace.apply(manifest)
                let message = Self.message(try await namespace.reconciled("db", .secretConflict))
                #expect(
                    message.contains(".metadata.labels.app"),
                    "\(message)")
                #expect(
                    message.contains("kubectl-label"),
                    "\(message)")
                #expect(try await namespace.secret("app")?.metadata.labels?["app"] == "theirs")
            }
        }
    }

    @Test func severalMergesUnwrapOnceEach() async throws {
        try await TestNamespace.withShared { namespace in
            let names = (0..<6).map { "db-\($0)" }
            for name in names {
                try await namespace.apply(try await Self.merge(name, [name: "1"], into: "app", namespace))
            }
            try await Self.makeTarget(namespace)
            try await RunningController.with(namespace) { controller in
                for name in names { try await namespace.reconciled(name) }
                #expect(controller.key.unwraps(of: "app") == names.count)
                #expect(try await namespace.secret("app")?.values.count == names.count + 1)
            }
        }
    }

    @Test func refusesToMergeIntoASecretOfAWrappedSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("app", ["k": "1"])
                try await namespace.reconciled("app")
                try await namespace.kubectl(
                    "annotate", "secret", "app", "\(OwnershipMetadata.allowAnnotation)=merge")
                try await namespace.apply(try await Self.merge("db", ["x": "2"], into: "app", namespace))
                let message = Self.message(try await namespace.reconciled("db", .ownedByAnother))
                #expect(message.contains("WrappedSecret app"), "\(message)")
                #expect(try await namespace.secret("app")?.values == ["k": "1"])
            }
        }
    }

    @Test func refusesToMergeIntoAnImmutableSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await Self.makeTarget(namespace)
            try await namespace.kubectl("patch", "secret", "app", "-p", #"{"immutable":true}"#)
            try await RunningController.with(namespace) { _ in
                try await namespace.apply(try await Self.merge("db", ["x": "2"], into: "app", namespace))
                try await namespace.reconciled("db", .immutableSecret)
                #expect(try await namespace.secret("app")?.values == ["theirs": "1"])
            }
        }
    }
}
