import Envelope
import Foundation
import KubeClient
import Resources
import Testing

/// A Secret of another owner is not changed.
@Suite(.onRealServers)
struct OwnershipTests {
    @Test func adoptsAForeignSecretOnlyWithPermission() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=foreign")
            let foreign = try #require(try await namespace.secret("db"))
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "ours"])
                let object = try await namespace.reconciled("db", .secretConflict)
                let message = object.status?.condition(.ready)?.message ?? ""
                #expect(message.contains("kubectl annotate secret"), "names the remedy: \(message)")
                let after = try #require(try await namespace.secret("db"))
                #expect(after.metadata.resourceVersion == foreign.metadata.resourceVersion)

                try await namespace.kubectl(
                    "annotate", "secret", "db", "\(OwnershipMetadata.allowAnnotation)=adopt")
                try await namespace.reconciled("db")
                let adopted = try #require(try await namespace.secret("db"))
                #expect(adopted.metadata.uid == foreign.metadata.uid)
                #expect(adopted.values == ["k": "ours"])
                #expect(adopted.metadata.ownerReferences?.map(\.name) == ["db"])
            }
        }
    }

    @Test func createsItsSecretAfterTheForeignOneIsDeleted() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=foreign")
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "ours"])
                try await namespace.reconciled("db", .secretConflict)
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "ours"])
            }
        }
    }

    @Test func ofTwoWrappedSecretsForOneSecretTheFirstWins() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("first", ["k": "1"])
                try await namespace.reconciled("first")
                let template = Manifest.Template(metadata: .init(name: "first"))
                try await namespace.apply(try await namespace.wrap("second", ["k": "2"], template: template))
                let object = try await namespace.reconciled("second", .ownedByAnother)
                #expect(object.status?.condition(.ready)?.message.contains("WrappedSecret first") == true)
                #expect(try await namespace.secret("first")?.values == ["k": "1"])
                try await namespace.reconciled("first")

                try await namespace.kubectl("delete", "wsec", "first")
                try await namespace.reconciled("second")
                try await namespace.secret("first", until: "belongs to the second") {
                    $0.values == ["k": "2"]
                }
            }
        }
    }

    @Test func refusesASecretOfAnotherControllerDespitePermission() async throws {
        try await TestNamespace.withShared { namespace in
            let owner = try await namespace.kubectl(
                "get", "namespace", namespace.name, "-o", "jsonpath={.metadata.uid}")
            let secret = """
                {"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","annotations":{"\(OwnershipMetadata.allowAnnotation)":"adopt"},\
                "ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"\(namespace.name)",\
                "uid":"\(owner)","controller":true}]},"stringData":{"k":"foreign"}}
                """
            try await namespace.kubectl("create", "-f", "-", input: Data(secret.utf8))
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "ours"])
                try await namespace.reconciled("db", .ownedByAnother)
                #expect(try await namespace.secret("db")?.values == ["k": "foreign"])
            }
        }
    }

    @Test(arguments: [
        #"{"metadata":{"ownerReferences":null},"stringData":{"k":"theirs"}}"#,
        #"{"metadata":{"ownerReferences":null,"annotations":null,"labels":null},"stringData":{"k":"theirs"}}"#,
    ])
    func correctsASecretWithoutItsOwnershipMetadata(patch: String) async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                try await namespace.kubectl("patch", "secret", "db", "--type=merge", "-p", patch)
                try await namespace.secret("db", until: "is corrected") {
                    $0.values == ["k": "v"] && $0.metadata.ownerReferences?.map(\.name) == ["db"]
                        && $0.metadata.labels?[OwnershipMetadata.managedLabel] == "true"
                }
            }
        }
    }

    @Test(arguments: [true, false])
    func correctsASecretThatKubectlReplacedWhileNoControllerRan(withMarks: Bool) async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
            }
            let labels = withMarks ? #""labels":{"\#(OwnershipMetadata.managedLabel)":"true"},"# : ""
            let secret =
                #"{"apiVersion":"v1","kind":"Secret","metadata":{\#(labels)"name":"db"},"stringData":{"other":"x"}}"#
            try await namespace.kubectl("replace", "-f", "-", input: Data(secret.utf8))
            try await RunningController.with(namespace) { _ in
                try await namespace.secret("db", until: "is corrected") {
                    $0.values == ["k": "v"] && $0.metadata.ownerReferences?.map(\.name) == ["db"]
                }
            }
        }
    }

    @Test func takesBackASecretThatDeleteOrphaned() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                let uid = try #require(try await namespace.secret("db")).metadata.uid
                try await namespace.kubectl("delete", "wsec", "db", "--cascade=orphan")
                try await eventually("the owner reference is removed") {
                    try await namespace.secret("db")?.metadata.ownerReferences?.isEmpty ?? true
                }
                try await namespace.apply("db", ["k": "v"])
                try await namespace.reconciled("db")
                let taken = try #require(try await namespace.secret("db"))
                #expect(taken.metadata.uid == uid)
                #expect(taken.metadata.ownerReferences?.map(\.name) == ["db"])
            }
        }
    }

    @Test func ofTwoOrphansOneAdoptsASecretOnce() async throws {
        try await TestNamespace.withShared { namespace in
            let secret =
                #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"t","annotations":{"\#(OwnershipMetadata.allowAnnotation)":"adopt"}}}"#
            try await namespace.kubectl("create", "-f", "-", input: Data(secret.utf8))
            try await RunningController.with(namespace) { controller in
                for name in ["one", "two"] {
                    var manifest = try await namespace.wrap(
                        name, ["k": name], template: .init(metadata: .init(name: "t")))
                    manifest.spec.creationPolicy = "Orphan"
                    try await namespace.apply(manifest)
                }
                let reasons = try await eventually("both have a reason") { () -> [String]? in
                    var reasons: [String] = []
                    for name in ["one", "two"] {
                        guard let ready = try await namespace.wrappedSecret(name).status?.condition(.ready)
                        else {
                            return nil
                        }
                        reasons.append(ready.reason)
                    }
                    return reasons
                }
                #expect(reasons.sorted() == ["OwnedByAnother", "Synced"])
                let winner = reasons[0] == "Synced" ? "one" : "two"
                #expect(try await namespace.secret("t")?.values == ["k": winner])
                #expect(
                    try await namespace.secret("t")?.metadata.annotations?[OwnershipMetadata.allowAnnotation]
                        == nil)
                let writes = controller.transport.count { $0.isWrite && $0.path.hasSuffix("/secrets/t") }
                #expect(writes <= 3)
            }
        }
    }

    @Test func theMessageForOwnerToMergeNamesAWorkingRemedy() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                var manifest = try await namespace.wrap("db", ["k": "v"])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                manifest.spec.creationPolicy = "Merge"
                try await namespace.apply(manifest)
                try await namespace.reconciled("db", .ownedByAnother)
                let message = try #require(
                    try await namespace.wrappedSecret("db").status?.condition(.ready)?.message)
                let commands = try #require(message.split(separator: "release the Secret: ").last)
                for command in commands.components(separatedBy: " && ") {
                    let words = command.split(separator: " ").dropFirst().map {
                        String($0).replacingOccurrences(of: "'", with: "")
                    }
                    try await namespace.kubectl(words)
                }
                try await namespace.kubectl("annotate", "wsec", "db", "\(OwnershipMetadata.syncAnnotation)=1")
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.metadata.ownerReferences == nil)
            }
        }
    }

    @Test func anAdoptedSecretCostsNoUnwrapAndLosesLabelsOfTheOldTemplate() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=v")
            try await namespace.kubectl("label", "secret", "db", "team=a")
            try await namespace.kubectl(
                "annotate", "secret", "db", "\(OwnershipMetadata.allowAnnotation)=adopt")
            try await RunningController.with(namespace) { controller in
                var manifest = try await namespace.wrap(
                    "db", ["k": "v"], template: .init(metadata: .init(labels: ["team": "a"])))
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                for value in ["1", "2", "3"] {
                    try await namespace.kubectl("label", "secret", "db", "foreign=\(value)", "--overwrite")
                    try await controller.catchUp(namespace)
                }
                #expect(controller.key.unwraps(of: "db") == 1)
                manifest.spec.template = .init(metadata: .init(labels: ["stage": "b"]))
                try await namespace.apply(manifest)
                try await namespace.secret("db", until: "has lost the template's label") {
                    $0.metadata.labels?["team"] == nil && $0.metadata.labels?["foreign"] == "3"
                }
            }
        }
    }

    @Test func keepsAnImmutableSecretUntilItIsDeleted() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                let template = Manifest.Template(immutable: true)
                try await namespace.apply(try await namespace.wrap("db", ["k": "1"], template: template))
                try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.immutable == true)
                try await namespace.apply(try await namespace.wrap("db", ["k": "2"], template: template))
                try await namespace.reconciled("db", .immutableSecret)
                let after = try #require(try await namespace.secret("db"))
                #expect(after.metadata.resourceVersion == secret.metadata.resourceVersion)
                #expect(after.values == ["k": "1"])
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.secret("db", until: "is recreated") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
            }
        }
    }

    @Test func keepsASecretOfAnotherTypeUntilItIsDeleted() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))
                let template = Manifest.Template(type: "example.org/credentials")
                try await namespace.apply(try await namespace.wrap("db", ["k": "2"], template: template))
                try await namespace.reconciled("db", .secretTypeChanged)
                let after = try #require(try await namespace.secret("db"))
                #expect(after.metadata.resourceVersion == secret.metadata.resourceVersion)
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.secret("db", until: "is recreated") {
                    $0.values == ["k": "2"] && $0.type == "example.org/credentials"
                }
                try await namespace.reconciled("db")
            }
        }
    }
}
