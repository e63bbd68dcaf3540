import Cryptography
import Envelope
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// `secrets-bridge rewrap` in a cluster leaves every field with its manager, so that the next apply of a user or a
/// GitOps tool does not conflict.
@Suite(.onRealServers)
struct RewrapOwnershipTests {
    /// The ways in which users and tools apply an object.
    enum Writer: String, CaseIterable, Sendable {
        case serverSide, clientSide, create, argoCD, argoCDServerSide, flux

        func arguments(create: Bool) -> [String] {
            switch self {
            case .serverSide: ["apply", "--server-side"]
            case .clientSide: ["apply"]
            case .create: create ? ["create"] : ["replace"]
            case .argoCD: ["apply", "--field-manager=argocd-controller"]
            case .argoCDServerSide: ["apply", "--server-side", "--field-manager=argocd-controller"]
            case .flux:
                ["apply", "--server-side", "--field-manager=kustomize-controller", "--force-conflicts"]
            }
        }
    }

    private let newKey = Base64.encode([UInt8](repeating: 7, count: 32))

    private func rewrap(
        _ namespace: TestNamespace, location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            ["rewrap", "-n", namespace.name],
            [
                "SB_WRAP_MASTER_KEY": newKey, "SB_WRAP_MASTER_KEYS_PREVIOUS": namespace.masterKey,
                "KUBECONFIG": namespace.cluster.kubeconfig,
            ], location: location)
    }

    /// Returns a manifest with fields of every kind that a manager can own.
    private func manifest(_ namespace: TestNamespace, label: String = "payments") async throws -> Data {
        var manifest = try await namespace.wrap(
            "db", ["password": "v", "user": "u"],
            template: .init(
                metadata: .init(labels: ["team": label], annotations: ["example.org/note": "n"]),
                type: "Opaque",
                immutable: false))
        manifest.spec.rolloutRestart = [
            .init(kind: "Deployment", name: "api"), .init(kind: "StatefulSet", name: "db"),
        ]
        manifest.spec.creationPolicy = "Owner"
        var object = try #require(
            try JSONSerialization.jsonObject(with: manifest.json()) as? [String: Any])
        var metadata = try #require(object["metadata"] as? [String: Any])
        metadata["labels"] = ["app": "db"]
        metadata["annotations"] = ["example.org/a": "b", "example.org/quoted": #"a "b" \ / ü"#]
        metadata["finalizers"] = ["example.org/kept"]
        object["metadata"] = metadata
        return try JSONSerialization.data(
            withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    }

    private struct State {
        /// Manager, operation and fields as text.
        var managers: Set<String>
        var spec: [String: String]
        var metadata: [String: String]
        var recipient: String
    }

    private func state(_ namespace: TestNamespace) async throws -> State {
        let output = try await namespace.kubectl(
            "get", "wrappedsecret", "db", "-o", "json", "--show-managed-fields")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        var spec = try #require(object["spec"] as? [String: Any])
        var metadata = try #require(object["metadata"] as? [String: Any])
        let managers = try #require(metadata["managedFields"] as? [[String: Any]])
        let recipients = try #require(spec["recipients"] as? [[String: String]])
        spec["recipients"] = nil
        for key in ["managedFields", "resourceVersion", "generation"] { metadata[key] = nil }
        func text(_ value: Any) -> String {
            let data = try? JSONSerialization.data(
                withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
            return String(decoding: data ?? Data(), as: UTF8.self)
        }
        return State(
            managers: Set(
                managers.map {
                    "\($0["manager"] ?? "") \($0["operation"] ?? "") \(text($0["fieldsV1"] ?? ""))"
                }),
            spec: spec.mapValues(text), metadata: metadata.mapValues(text),
            recipient: recipients.first?["keyID"] ?? "")
    }

    private func free(_ namespace: TestNamespace) async throws {
        try await namespace.kubectl(
            "patch", "wrappedsecret", "db", "--type=merge", "-p", #"{"metadata":{"finalizers":null}}"#)
    }

    @Test(arguments: Writer.allCases)
    func keepsTheOwnerOfTheRecipientsWithoutAConflict(writer: Writer) async throws {
        try await TestNamespace.withShared { namespace in
            let original = try await manifest(namespace)
            try await namespace.kubectl(writer.arguments(create: true) + ["-f", "-"], input: original)
            // Another manager owns these fields.
            try await namespace.kubectl("label", "wrappedsecret", "db", "seen=yes")
            try await namespace.kubectl("annotate", "wrappedsecret", "db", "secrets-bridge.io/sync=1")
            let before = try await state(namespace)
            let done = try await rewrap(namespace)
            #expect(done.output.contains("1 moved"), "\(done.errors)")
            #expect(!done.output.contains("--force-conflicts"))
            let after = try await state(namespace)
            #expect(after.recipient != before.recipient)
            #expect(after.managers == before.managers)
            #expect(after.spec == before.spec)
            #expect(after.metadata == before.metadata)

            // The manifest in Git, with and without a change.
            try await namespace.kubectl(writer.arguments(create: false) + ["-f", "-"], input: original)
            #expect(try await state(namespace).recipient == before.recipient)
            _ = try await rewrap(namespace)
            try await namespace.kubectl(
                writer.arguments(create: false) + ["-f", "-"],
                input: try await manifest(namespace, label: "search"))
            #expect(try await state(namespace).spec["template"]?.contains("search") == true)
            try await free(namespace)
        }
    }

    /// Two tools apply the same file, as during a migration from one to the other.
    @Test func keepsSeveralOwnersOfTheRecipients() async throws {
        try await TestNamespace.withShared { namespace in
            let original = try await manifest(namespace)
            for writer in [Writer.clientSide, .serverSide, .argoCDServerSide] {
                try await namespace.kubectl(writer.arguments(create: true) + ["-f", "-"], input: original)
            }
            let before = try await state(namespace)
            #expect(try await rewrap(namespace).output.contains("1 moved"))
            let after = try await state(namespace)
            #expect(after.managers == before.managers)
            #expect(after.recipient != before.recipient)
            #expect(after.spec == before.spec)
            // The API server updates kubectl's annotation for a server-side apply of kubectl.
            #expect(
                after.metadata.filter { $0.key != "annotations" }
                    == before.metadata.filter { $0.key != "annotations" })
            // Client-side apply compares with that annotation.
            try await namespace.kubectl(
                "apply", "-f", "-", input: try await manifest(namespace, label: "search"))
            #expect(try await state(namespace).spec["template"]?.contains("search") == true)
            try await free(namespace)
        }
    }

    /// The remedy of docs/rewrapping.md for objects that an earlier version has rewrapped in the cluster.
    @Test func regainsOwnershipByOneForcedApply() async throws {
        try await TestNamespace.withShared { namespace in
            let original = try await manifest(namespace)
            try await namespace.kubectl("apply", "--server-side", "-f", "-", input: original)
            try await namespace.kubectl(
                "patch", "wrappedsecret", "db", "--type=json", "--field-manager=secrets-bridge", "-p",
                #"[{"op": "replace", "path": "/spec/recipients/0/wrappedKey", "value": "taken-over-by-a-re-wrap"}]"#
            )
            let refused = try await namespace.cluster.tryKubectl(
                "-n", namespace.name, "apply", "--server-side", "-f", "-", input: original)
            #expect(refused.status != 0)
            #expect(refused.errors.contains(#"conflict with "secrets-bridge""#), "\(refused.errors)")
            try await namespace.kubectl(
                "apply", "--server-side", "--force-conflicts", "-f", "-", input: original)
            _ = try await rewrap(namespace)
            try await namespace.kubectl("apply", "--server-side", "-f", "-", input: original)
            try await free(namespace)
        }
    }
}
