import Foundation
import KubeClient
import Resources
import Testing

/// A backup restored both objects: with new uids, without the status, and with old data of the Secret.
@Suite(.onRealServers, .serialized)
struct RestoreTests {
    @Test(arguments: ["Owner", "Orphan"])
    func correctsARestoredSecret(policy: String) async throws {
        try await TestNamespace.withShared { namespace in
            var manifest = try await namespace.wrap("db", ["k": "v"])
            manifest.spec.creationPolicy = policy
            try await RunningController.with(namespace) { _ in
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
            }
            let backup = try await Self.backup("db", in: namespace)
            try await namespace.kubectl("delete", "wsec", "db")
            try await namespace.kubectl("delete", "secret", "db", "--ignore-not-found")
            try await namespace.kubectl("create", "-f", "-", input: backup)
            try await namespace.apply(manifest)
            try await RunningController.with(namespace) { _ in
                try await namespace.reconciled("db")
                let secret = try #require(try await namespace.secret("db"))
                #expect(secret.values == ["k": "v"])
                #expect(secret.metadata.ownerReferences?.count ?? 0 == (policy == "Owner" ? 1 : 0))
            }
        }
    }

    @Test func correctsMergedEntriesOfARestoredSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "app", "--from-literal=theirs=1")
            try await namespace.kubectl(
                "annotate", "secret", "app", "\(OwnershipMetadata.allowAnnotation)=merge")
            var manifest = try await namespace.wrap("app", ["k": "v"])
            manifest.metadata.name = "db"
            manifest.spec.template = .init(metadata: .init(name: "app"))
            manifest.spec.creationPolicy = "Merge"
            try await RunningController.with(namespace) { _ in
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
            }
            let backup = try await Self.backup("app", in: namespace)
            try await namespace.kubectl("delete", "wsec", "db")
            try await namespace.kubectl("delete", "secret", "app")
            try await namespace.kubectl("create", "-f", "-", input: backup)
            try await namespace.apply(manifest)
            try await RunningController.with(namespace) { _ in
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("app")?.values == ["k": "v", "theirs": "stale"])
            }
        }
    }

    /// Returns the Secret from a backup, with other values.
    private static func backup(_ name: String, in namespace: TestNamespace) async throws -> Data {
        let text = try await namespace.kubectl("get", "secret", name, "-o", "json")
        var secret = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        var metadata = try #require(secret["metadata"] as? [String: Any])
        for key in ["uid", "resourceVersion", "creationTimestamp", "ownerReferences", "managedFields"] {
            metadata[key] = nil
        }
        secret["metadata"] = metadata
        let names = try #require(secret["data"] as? [String: String]).keys
        secret["data"] = Dictionary(
            uniqueKeysWithValues: names.map { ($0, Data("stale".utf8).base64EncodedString()) })
        return try JSONSerialization.data(withJSONObject: secret)
    }
}
