import Foundation
import KubeClient
import Resources
import Testing

/// Each change of the Secret by another writer is reverted once.
@Suite(.onRealServers, .serialized)
struct DriftTests {
    struct Drift: Sendable, CustomTestStringConvertible {
        let what: String
        let command: [String]
        /// The number of unwraps and writes of the repair.
        var unwraps = 1
        var testDescription: String { what }
    }

    static let drifts = [
        Drift(
            what: "edited data",
            command: ["patch", "secret", "db", "--type=merge", "-p", #"{"data":{"password":"b3RoZXI="}}"#]),
        Drift(
            what: "a foreign entry",
            command: ["patch", "secret", "db", "--type=merge", "-p", #"{"stringData":{"foreign":"x"}}"#]),
        Drift(
            what: "a removed entry",
            command: ["patch", "secret", "db", "--type=merge", "-p", #"{"data":{"user":null}}"#]),
        Drift(
            what: "data emptied", command: ["patch", "secret", "db", "--type=merge", "-p", #"{"data":null}"#]),
        Drift(
            what: "the managed label removed",
            command: ["label", "secret", "db", "\(OwnershipMetadata.managedLabel)-"], unwraps: 0),
        Drift(
            what: "a label of the template edited",
            command: ["label", "secret", "db", "team=other", "--overwrite"], unwraps: 0),
        Drift(
            what: "an annotation of the template edited",
            command: ["annotate", "secret", "db", "example.org/contact=other", "--overwrite"], unwraps: 0),
        Drift(
            what: "the source annotation removed",
            command: ["annotate", "secret", "db", "\(OwnershipMetadata.sourceAnnotation)-"],
            unwraps: 0),
        Drift(what: "a deleted Secret", command: ["delete", "secret", "db"]),
    ]

    @Test func correctsEachKindOfDriftWithAtMostOneUnwrap() async throws {
        try await TestNamespace.withShared { namespace in
            let template = Manifest.Template(
                metadata: .init(labels: ["team": "payments"], annotations: ["example.org/contact": "me"]))
            try await RunningController.with(namespace) { controller in
                try await namespace.apply(
                    try await namespace.wrap("db", ["user": "u", "password": "p"], template: template))
                try await namespace.reconciled("db")
                let original = try #require(try await namespace.secret("db"))
                for drift in Self.drifts {
                    try await controller.catchUp(namespace)
                    let unwraps = controller.key.unwraps(of: "db")
                    let before = try #require(try await namespace.secret("db")).metadata.resourceVersion
                    _ = try await Program(
                        namespace.cluster.kubectl,
                        ["--kubeconfig", namespace.cluster.kubeconfig, "-n", namespace.name] + drift.command
                    ).outcome()
                    let repaired = try await namespace.secret("db", until: "\(drift.what) is repaired") {
                        $0.metadata.resourceVersion != before && $0.values == original.values
                            && $0.metadata.labels == original.metadata.labels
                            && $0.metadata.annotations == original.metadata.annotations
                            && $0.metadata.ownerReferences == original.metadata.ownerReferences
                    }
                    try await eventually("the status has the repaired Secret after \(drift.what)") {
                        let recorded = try await namespace.wrappedSecret("db").status?.secret
                        return recorded?.resourceVersion == repaired.metadata.resourceVersion
                    }
                    try await controller.catchUp(namespace)
                    #expect(controller.key.unwraps(of: "db") == unwraps + drift.unwraps, "\(drift.what)")
                }
            }
        }
    }

    @Test func correctsDriftFromWhileNoControllerRan() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                for name in ["edited", "deleted", "intact"] {
                    try await namespace.apply(name, ["k": name])
                    try await namespace.reconciled(name)
                }
            }
            try await namespace.kubectl(
                "patch", "secret", "edited", "--type=merge", "-p", #"{"stringData":{"k":"other"}}"#)
            try await namespace.kubectl("delete", "secret", "deleted")
            try await RunningController.with(namespace) { controller in
                try await namespace.secret("edited", until: "is restored") { $0.values == ["k": "edited"] }
                try await namespace.secret("deleted", until: "is restored") { $0.values == ["k": "deleted"] }
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "intact") == 0)
            }
        }
    }

    @Test func ignoresDriftWhileSuspendedAndCorrectsItAfterwards() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var manifest = try await namespace.wrap("db", ["k": "v"])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                manifest.spec.suspend = true
                try await namespace.apply(manifest)
                try await eventually("it is suspended") {
                    try await namespace.wrappedSecret("db").status?.condition(.suspended) != nil
                }
                try await namespace.kubectl("delete", "secret", "db")
                try await controller.catchUp(namespace)
                #expect(try await namespace.secret("db") == nil)
                #expect(try await namespace.wrappedSecret("db").status?.condition(.ready)?.status == "True")
                manifest.spec.suspend = false
                try await namespace.apply(manifest)
                try await namespace.secret("db", until: "is restored") { $0.values == ["k": "v"] }
                try await eventually("it is not suspended any more") {
                    try await namespace.wrappedSecret("db").status?.condition(.suspended) == nil
                }
            }
        }
    }

    @Test func slowsDownAndNamesTheWriterThatKeepsReverting() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                let message = try await eventually("the status reports SecretContested") {
                    try await namespace.kubectl(
                        "patch", "secret", "db", "--field-manager=rival", "-p",
                        #"{"stringData":{"k":"theirs"}}"#)
                    let ready = try await namespace.wrappedSecret("db").status?.condition(.ready)
                    return ready?.reason == Reason.secretContested.rawValue ? ready?.message : nil
                }
                #expect(message.contains("rival"))
                #expect(controller.key.unwraps(of: "db") <= 15)
                #expect(try await namespace.secret("db")?.values == ["k": "theirs"])
                // A new generation ends the throttling.
                try await namespace.apply("db", ["k": "2"])
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "2"])
            }
        }
    }

    @Test func correctsASecretThatLostEveryReferenceToItsWrappedSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                try await namespace.kubectl(
                    "patch", "secret", "db", "--type=json", "-p",
                    #"[{"op":"remove","path":"/metadata/ownerReferences"},{"op":"remove","path":"/metadata/annotations"}]"#
                )
                try await namespace.secret("db", until: "has its ownership metadata again") {
                    $0.metadata.ownerReferences?.count == 1
                        && $0.metadata.annotations?[OwnershipMetadata.wrappedSecretAnnotation] == "db"
                }
                #expect(controller.key.unwraps(of: "db") == 1)
            }
        }
    }

    @Test(arguments: [false, true])
    func correctsDriftByAWriterThatRestoresTheManagedFields(asUs: Bool) async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                let fields = try await namespace.kubectl(
                    "get", "secret", "db", "-o", "jsonpath={.metadata.managedFields}", "--show-managed-fields"
                )
                try await namespace.kubectl(
                    "patch", "secret", "db", "--type=json",
                    "--field-manager=\(asUs ? KubeClient.fieldManager : "evil")", "-p",
                    #"[{"op":"replace","path":"/data/k","value":"ZXZpbA=="}]"#)
                try await namespace.kubectl(
                    "patch", "secret", "db", "--type=json", "-p",
                    #"[{"op":"replace","path":"/metadata/managedFields","value":\#(fields)}]"#)
                try await namespace.secret("db", until: "is corrected") { $0.values == ["k": "v"] }
                try await namespace.reconciled("db")
                #expect(try await namespace.wrappedSecret("db").status?.lastVerifiedTime != nil)
            }
        }
    }
}
