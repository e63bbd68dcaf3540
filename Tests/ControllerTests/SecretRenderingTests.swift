import Cryptography
import Envelope
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

@Suite struct SecretRenderingTests {
    private let entries = [
        SecretEntry(name: ".conf", value: SharedSecret(copying: [0, 255, 10])),
        SecretEntry(name: "password", value: SharedSecret(copying: "canary\"".utf8)),
    ]

    private func object(_ template: WrappedSecretSpec.Template? = nil) -> WrappedSecret {
        var object = unsealedWrappedSecret()
        object.spec.template = template
        return object
    }

    private func json(_ secret: SharedSecret) throws -> AnyJSON {
        try AnyJSON(secret.bytes.withUnsafeBytes { Array($0) })
    }

    /// Returns the operations of a patch, and their paths.
    private func patch(
        _ current: ObjectMeta, _ template: WrappedSecretSpec.Template? = nil
    ) throws -> (paths: [String], operations: [AnyJSON]) {
        let object = object(template)
        let patch = SecretRendering.updatePatch(
            current, to: try DesiredSecret(object), of: object, entries: entries)
        let operations = try #require(try json(patch.body).items)
        return (operations.map { "\($0["op"]?.string ?? "") \($0["path"]?.string ?? "")" }, operations)
    }

    /// The Secret as our last write left it.
    private func current(
        labels: [String: String] = [:], annotations: [String: String] = [:], owned: Set<String> = []
    ) -> ObjectMeta {
        ObjectMeta(
            name: "db", namespace: "payments", uid: "s1", resourceVersion: "50",
            labels: OwnershipMetadata.labels.merging(labels) { $1 },
            annotations: OwnershipMetadata.annotations(of: object()).merging(annotations) { $1 },
            ownerReferences: [OwnershipMetadata.ownerReference(to: object())],
            managedFields: [
                ManagedFieldsEntry(manager: "kubectl", labels: ["foreign"]),
                ManagedFieldsEntry(manager: KubeClient.fieldManager, labels: owned, annotations: owned),
            ])
    }

    private let always = ["add /type", "add /immutable", "add /data"]
    private let tests = ["test /metadata/uid", "replace /metadata/resourceVersion"]

    @Test func theApplyBodyHasOnlyOurFields() throws {
        var object = object(.init(metadata: .init(name: "app", labels: ["team": "a"])))
        object.spec.creationPolicy = "Merge"
        let desired = try DesiredSecret(object)
        let identity = try #require(desired.mergeIdentity)
        #expect(identity.fieldManager.hasPrefix("secrets-bridge-"))
        #expect(identity.fieldManager.utf8.count == 31)
        let target = ObjectMeta(name: "app", namespace: "payments", uid: "s1", resourceVersion: "50")
        let body = try json(SecretRendering.applyBody(desired, of: object, to: target, entries: entries))
        let expected: AnyJSON = [
            "apiVersion": "v1", "kind": "Secret",
            "metadata": [
                "name": "app", "namespace": "payments", "uid": "s1", "resourceVersion": "50",
                "labels": ["team": "a", "secrets-bridge.io/managed": "true"],
                "annotations": [identity.sourceAnnotation: "u1/3", identity.entriesAnnotation: "password"],
            ],
            "data": [".conf": "AP8K", "password": "Y2FuYXJ5Ig=="],
        ]
        #expect(body == expected)
        let release = try json(SecretRendering.releaseBody(from: target))
        #expect(release["data"] == nil)
        #expect(release[["metadata", "uid"]] == "s1")
        #expect(release[["metadata", "annotations"]] == nil)
    }

    @Test func theCreateBodyIsTheWholeSecret() throws {
        let object = object(
            .init(
                metadata: .init(name: "login", labels: ["team": "a\"b"], annotations: ["note": "ü\n"]),
                type: "example.com/x", immutable: true))
        // A quote is not allowed in a label.
        var plain = object
        plain.spec.template?.metadata?.labels = ["team": "ab"]
        let manifest = try json(
            SecretRendering.createBody(try DesiredSecret(plain), of: plain, entries: entries))
        let expected: AnyJSON = [
            "apiVersion": "v1", "kind": "Secret", "type": "example.com/x", "immutable": true,
            "metadata": [
                "name": "login", "namespace": "payments",
                "labels": [
                    "team": "ab", "secrets-bridge.io/managed": "true",
                    "app.kubernetes.io/managed-by": "secrets-bridge",
                ],
                "annotations": [
                    "note": "ü\n", "secrets-bridge.io/wrapped-secret": "db",
                    "secrets-bridge.io/source": "u1/3",
                ],
                "ownerReferences": [
                    [
                        "apiVersion": "secrets-bridge.io/v1alpha1", "kind": "WrappedSecret", "name": "db",
                        "uid": "u1", "controller": true,
                    ]
                ],
            ],
            "data": [".conf": "AP8K", "password": "Y2FuYXJ5Ig=="],
        ]
        #expect(manifest == expected)
    }

    @Test func aPatchReplacesTheDataAndNoEqualMetadata() throws {
        let (paths, operations) = try patch(current())
        #expect(paths == tests + always)
        #expect(operations[0]["value"] == "s1")
        #expect(operations[1]["value"] == "50")
        #expect(operations[4]["value"] == [".conf": "AP8K", "password": "Y2FuYXJ5Ig=="])
    }

    @Test func aPatchKeepsLabelsAndAnnotationsOfOthers() throws {
        let (paths, _) = try patch(current(labels: ["foreign": "1"], annotations: ["foreign": "1"]))
        #expect(paths == tests + always)
    }

    @Test func aPatchRemovesWhatLeftTheTemplate() throws {
        let (paths, _) = try patch(
            current(
                labels: ["a.b/c~d": "1", "foreign": "1"], annotations: ["old": "1"],
                owned: ["a.b/c~d", "old"]))
        #expect(
            paths == tests + ["remove /metadata/labels/a.b~1c~0d", "remove /metadata/annotations/old"]
                + always)
    }

    @Test func aPatchAddsWhatTheTemplateHas() throws {
        let (paths, operations) = try patch(
            current(labels: ["b": "old", "c": "same"]),
            .init(metadata: .init(labels: ["a": "1", "b": "2", "c": "same"], annotations: ["x.io/n": "v"])))
        #expect(
            paths == tests
                + ["add /metadata/labels/a", "add /metadata/labels/b", "add /metadata/annotations/x.io~1n"]
                + always)
        #expect(operations[3]["value"] == "2")
    }

    @Test func aPatchRestoresOurLabelsAndAnnotations() throws {
        var secret = current()
        secret.labels?[OwnershipMetadata.managedLabel] = "no"
        secret.labels?[OwnershipMetadata.managedByLabel] = nil
        secret.annotations?[OwnershipMetadata.sourceAnnotation] = "u1/2"
        let (paths, _) = try patch(secret)
        #expect(
            paths == tests + [
                "add /metadata/labels/app.kubernetes.io~1managed-by",
                "add /metadata/labels/secrets-bridge.io~1managed",
                "add /metadata/annotations/secrets-bridge.io~1source",
            ] + always)
    }

    @Test func aPatchAddsMissingMapsAsAWhole() throws {
        var secret = current()
        secret.labels = nil
        secret.annotations = nil
        secret.ownerReferences = nil
        let (paths, operations) = try patch(secret)
        #expect(
            paths == tests
                + ["add /metadata/labels", "add /metadata/annotations", "add /metadata/ownerReferences"]
                + always)
        #expect(operations[2]["value"]?["secrets-bridge.io/managed"] == "true")
    }

    @Test func aPatchReplacesOwnerReferencesToWrappedSecretsAndKeepsOthers() throws {
        var secret = current()
        let foreign = OwnerReference(apiVersion: "v1", kind: "Widget", name: "w", uid: "w1")
        secret.ownerReferences = [
            foreign,
            OwnerReference(
                apiVersion: wrappedSecretAPIVersion, kind: wrappedSecretKind, name: "db", uid: "u0",
                controller: true),
            OwnerReference(
                apiVersion: "secrets-bridge.io/v2", kind: wrappedSecretKind, name: "db", uid: "u1"),
        ]
        let (paths, operations) = try patch(secret)
        #expect(paths == tests + ["add /metadata/ownerReferences"] + always)
        let references = try #require(operations[2]["value"]?.items)
        #expect(references.map { $0["uid"]?.string } == ["u1", "w1"])
        #expect(references.map { $0["controller"] } == [true, nil])
    }
}
