import Controller
import Envelope
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// `secrets-bridge diff` shows the changes that the next sync would make to Secrets of a controller.
@Suite(.onRealServers)
struct DiffTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Returns the lines of the one Secret that differs, without its location.
    private func diff(
        _ manifest: Manifest, _ namespace: TestNamespace, note: String = "",
        location: SourceLocation = #_sourceLocation
    ) async throws -> [String] {
        try folder.write("file.json", manifest.json())
        let outcome = try await Program(
            try Settings.required().binary, ["diff", folder.path("file.json")],
            environment: [
                "SB_WRAP_MASTER_KEY": namespace.masterKey, "KUBECONFIG": namespace.cluster.kubeconfig,
            ]
        ).outcome()
        #expect(
            note.isEmpty ? outcome.errors.isEmpty : outcome.errors.contains(note), "\(outcome.errors)",
            sourceLocation: location)
        #expect(outcome.status == (outcome.output.isEmpty ? 0 : 1), sourceLocation: location)
        return outcome.output.split(separator: "\n").dropFirst().map {
            $0.trimmingCharacters(in: .whitespaces)
        }
    }

    private func makeTarget(_ namespace: TestNamespace) async throws {
        let secret = """
            {"apiVersion": "v1", "kind": "Secret", "type": "example.org/whole", "metadata": {"name": "app",
             "annotations": {"\(OwnershipMetadata.allowAnnotation)": "merge"}, "labels": {"chart": "1"}}, "stringData": {"own": "1", "own2": "2"}}
            """
        try await namespace.kubectl(
            "apply", "--server-side", "--field-manager=chart", "-f", "-", input: Data(secret.utf8))
    }

    private func merging(
        _ values: [String: String], _ namespace: TestNamespace, labels: [String: String]? = nil
    ) async throws -> Manifest {
        var manifest = try await namespace.wrap(
            "db", values, template: .init(metadata: .init(name: "app", labels: labels)))
        manifest.spec.creationPolicy = "Merge"
        return manifest
    }

    @Test func comparesMergedEntriesAndSkipsTheTargetsOwn() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace, adjust: { $0.unwatchedSecretInterval = .seconds(1) })
            {
                _ in
                let manifest = try await merging(
                    ["a": "1", "b": "2"], namespace, labels: ["kept": "1", "team": "x"])
                #expect(
                    try await diff(manifest, namespace) == [
                        "! Secret is missing; creationPolicy Merge does not create it", "+ a", "+ b",
                    ])
                try await makeTarget(namespace)
                #expect(
                    try await diff(manifest, namespace) == ["+ a", "+ b", "~ label kept", "~ label team"])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                #expect(try await diff(manifest, namespace) == [])

                let changed = try await merging(["a": "other", "c": "3"], namespace, labels: ["kept": "1"])
                #expect(try await diff(changed, namespace) == ["+ c", "- b", "~ a", "- label team"])
                // An entry that another manager owns, too, stays in the target when it leaves the WrappedSecret.
                try await namespace.kubectl(
                    "apply", "--server-side", "--field-manager=chart2", "-f", "-",
                    input: Data(
                        #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app"}, "data": {"b": "Mg=="}}"#
                            .utf8))
                #expect(try await diff(changed, namespace) == ["+ c", "~ a", "- label team"])
                try await namespace.apply(changed)
                try await namespace.reconciled("db")
                #expect(try await diff(changed, namespace) == [])
                #expect(
                    try await namespace.secret("app")?.values == [
                        "own": "1", "own2": "2", "a": "other", "b": "2", "c": "3",
                    ])
            }
        }
    }

    /// The origin of a Secret that a WrappedSecret manages.
    enum Origin: String, CaseIterable, Sendable { case owner, orphan, adopted }

    @Test(arguments: Origin.allCases)
    func showsRemovedTemplateMetadataAndSkipsOtherLabels(origin: Origin) async throws {
        try await TestNamespace.withShared { namespace in
            let operators = OperatorPolicy(
                scopes: [.strict], deniedMetadata: [], allowedTypes: [], labels: ["env": "prod"])
            func manifest(_ labels: [String: String], note: String?) async throws -> Manifest {
                var manifest = try await namespace.wrap(
                    "db", ["k": "v"],
                    template: .init(
                        metadata: .init(
                            // API server 1.20 refuses an apply that empties a map.
                            labels: labels,
                            annotations: ["example.org/kept": "1"].merging(
                                note.map { ["example.org/note": $0] } ?? [:]
                            ) { $1 })))
                if origin == .orphan { manifest.spec.creationPolicy = "Orphan" }
                return manifest
            }
            let first = try await manifest(["team": "a", "tier": "1"], note: "n")
            let second = try await manifest(["tier": "2"], note: nil)
            if origin == .adopted {
                try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=v")
                try await namespace.kubectl("label", "secret", "db", "team=a")
                try await namespace.kubectl(
                    "annotate", "secret", "db", "\(OwnershipMetadata.allowAnnotation)=adopt")
            }
            try await RunningController.with(namespace, adjust: { $0.policy = operators }) { _ in
                try await namespace.apply(first)
                try await namespace.reconciled("db")
            }
            try await namespace.kubectl("label", "secret", "db", "foreign=1")
            try await namespace.kubectl("annotate", "secret", "db", "example.org/foreign=1")
            #expect(try await diff(first, namespace) == [])
            let expected = ["~ label tier", "- label team", "- annotation example.org/note"]
            #expect(try await diff(second, namespace) == expected)
            try await RunningController.with(namespace, adjust: { $0.policy = operators }) { _ in
                try await namespace.apply(second)
                try await namespace.reconciled("db")
            }
            #expect(try await diff(second, namespace) == [])
            // Entries that are not in the WrappedSecret are removed from a Secret that it owns.
            try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"own":"1"}}"#)
            #expect(try await diff(second, namespace) == ["- own"])
        }
    }

    @Test func showsTypeImmutableAndAMissingSecret() async throws {
        try await TestNamespace.withShared { namespace in
            let manifest = try await namespace.wrap(
                "db", ["k": "v"], template: .init(type: "example.org/t", immutable: true))
            #expect(try await diff(manifest, namespace) == ["+ Secret", "+ k"])
            try await namespace.kubectl("create", "secret", "generic", "db", "--from-literal=k=v")
            #expect(
                try await diff(
                    manifest, namespace,
                    note:
                        "would not be changed: Secret was not created by this WrappedSecret; the controller adopts "
                        + "it only with the annotation \(OwnershipMetadata.allowAnnotation): adopt\n"
                ) == [
                    "~ type: Opaque -> example.org/t", "~ immutable: false -> true",
                ])
        }
    }
}
