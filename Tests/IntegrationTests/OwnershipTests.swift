import Envelope
import Foundation
import KubeClient
import Resources
import Testing

/// A Secret that is not ours stays what it is.
@Suite("Ownership", .onRealServers)
struct OwnershipTests {
    @Test("A foreign Secret is refused, untouched, and taken over once it is handed over")
    func adoption() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=foreign")
            let foreign = try #require(try await namespace.secret("db"))
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "ours"])
                let object = try await namespace.settled("db", .secretConflict)
                let message = object.status?.condition(.ready)?.message ?? ""
                #expect(message.contains("kubectl annotate secret"), "tells how to hand it over: \(message)")
                let after = try #require(try await namespace.secret("db"))
                #expect(after.metadata.resourceVersion == foreign.metadata.resourceVersion)

                try await namespace.kubectl("annotate", "secret", "db", "\(Markers.allow)=adopt")
                try await namespace.settled("db")
                let adopted = try #require(try await namespace.secret("db"))
                #expect(adopted.metadata.uid == foreign.metadata.uid)
                #expect(adopted.values == ["k": "ours"])
                #expect(adopted.metadata.ownerReferences?.map(\.name) == ["db"])
            }
        }
    }

    @Test("A foreign Secret that is deleted makes room")
    func deletion() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=foreign")
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "ours"])
                try await namespace.settled("db", .secretConflict)
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.settled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "ours"])
            }
        }
    }

    @Test("Of two WrappedSecrets for one Secret the first wins; the second follows when it is gone")
    func twoForOne() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("first", ["k": "1"])
                try await namespace.settled("first")
                let template = Manifest.Template(metadata: .init(name: "first"))
                try await namespace.apply(try await namespace.wrap("second", ["k": "2"], template: template))
                let object = try await namespace.settled("second", .ownedByAnother)
                #expect(object.status?.condition(.ready)?.message.contains("WrappedSecret first") == true)
                #expect(try await namespace.secret("first")?.values == ["k": "1"])
                try await namespace.settled("first")

                try await namespace.kubectl("delete", "wsec", "first")
                try await namespace.settled("second")
                try await namespace.secret("first", until: "is the second's") { $0.values == ["k": "2"] }
            }
        }
    }

    @Test("Another controller's Secret is refused, even if it says adopt")
    func otherController() async throws {
        try await TestNamespace.withShared { namespace in
            let owner = try await namespace.kubectl(
                "get", "namespace", namespace.name, "-o", "jsonpath={.metadata.uid}")
            let secret = """
                {"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","annotations":{"\(Markers.allow)":"adopt"},\
                "ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"\(namespace.name)",\
                "uid":"\(owner)","controller":true}]},"stringData":{"k":"foreign"}}
                """
            try await namespace.kubectl("create", "-f", "-", input: Data(secret.utf8))
            try await RunningController.with(namespace) { controller in
                try await namespace.apply("db", ["k": "ours"])
                try await namespace.settled("db", .ownedByAnother)
                #expect(try await namespace.secret("db")?.values == ["k": "foreign"])
            }
        }
    }

    @Test("A Secret whose owner reference was taken away is not ours any more")
    func disowned() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "v"])
                try await namespace.settled("db")
                try await namespace.kubectl(
                    "patch", "secret", "db", "--type=merge", "-p",
                    #"{"metadata":{"ownerReferences":null},"stringData":{"k":"theirs"}}"#)
                try await namespace.settled("db", .secretConflict)
                #expect(try await namespace.secret("db")?.values == ["k": "theirs"])
            }
        }
    }

    @Test("An immutable Secret stays as it is, and says so, until it is deleted")
    func immutable() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                let template = Manifest.Template(immutable: true)
                try await namespace.apply(try await namespace.wrap("db", ["k": "1"], template: template))
                try await namespace.settled("db")
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.immutable == true)
                try await namespace.apply(try await namespace.wrap("db", ["k": "2"], template: template))
                try await namespace.settled("db", .immutableSecret)
                let after = try #require(try await namespace.secret("db"))
                #expect(after.metadata.resourceVersion == secret.metadata.resourceVersion)
                #expect(after.values == ["k": "1"])
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.secret("db", until: "is made anew") { $0.values == ["k": "2"] }
                try await namespace.settled("db")
            }
        }
    }

    @Test("A Secret of another type stays as it is, and says so, until it is deleted")
    func type() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.settled("db")
                let secret = try #require(try await namespace.secret("db"))
                let template = Manifest.Template(type: "example.org/credentials")
                try await namespace.apply(try await namespace.wrap("db", ["k": "2"], template: template))
                try await namespace.settled("db", .secretTypeChanged)
                let after = try #require(try await namespace.secret("db"))
                #expect(after.metadata.resourceVersion == secret.metadata.resourceVersion)
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.secret("db", until: "is made anew") {
                    $0.values == ["k": "2"] && $0.type == "example.org/credentials"
                }
                try await namespace.settled("db")
            }
        }
    }
}
