package import KubeClient
import Resources
import System

/// Creates WrappedSecrets from the Secrets of a cluster.
package struct ClusterImport: Sendable {
    private let secrets: LiveSecretReader

    /// Types of Secrets that the cluster or a tool creates and recreates.
    private static let generatedTypes = [
        "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", HelmRelease.type,
    ]

    package init(secrets: LiveSecretReader) { self.secrets = secrets }

    /// Wraps the named Secrets, or, without names, all Secrets that no controller manages.
    ///
    /// - Parameters:
    ///   - wrapper: Returns the wrapper for a Secret.
    ///   - note: Gets a line for each Secret that is left out.
    ///   - expect: Gets the number of Secrets to read.
    ///   - advance: Is called after each of them.
    package func wrap(
        _ selection: Selection, names: [String],
        with wrapper: (ObjectRef) async throws(InputError) -> SecretWrapper, note: (String) -> Void,
        expect: (Int) -> Void = { _ in }, advance: () -> Void = {}
    ) async throws(InputError) -> [ImportedSecret] {
        var refs: [(ref: ObjectRef, uid: String?)] = []
        if names.isEmpty {
            let listed = try await secrets.list(selection)
            if listed.isEmpty { try await secrets.client.requireNamespace(of: selection) }
            for metadata in listed {
                if let owner = Self.otherOwner(metadata) {
                    note("Secret \(metadata.ref) is left out: \(owner)")
                } else {
                    refs.append((metadata.ref, metadata.uid))
                }
            }
        } else {
            refs = names.map { (ObjectRef(namespace: selection.namespace ?? "", name: $0), nil) }
        }
        var outputs: [ImportedSecret] = []
        expect(refs.count)
        for (ref, uid) in refs {
            defer { advance() }
            guard let live = try await secrets.liveSecret(ref, uid: uid) else {
                guard names.isEmpty else {
                    try await secrets.client.requireNamespace(of: selection)
                    throw InputError("Secret \(ref) does not exist")
                }
                continue
            }
            let secret = live.input
            if names.isEmpty, Self.generatedTypes.contains(secret.effectiveType) {
                note(
                    "Secret \(ref) is left out: the cluster or a tool creates Secrets of type \(secret.effectiveType)"
                )
                continue
            }
            let wrapped = try await wrapper(ref).wrap(secret)
            let owned = secret.owner.map {
                "Secret \(ref) is owned by \($0.kind) \($0.name); \(Self.handover(ref, $0.kind))"
            }
            let kept = ExternalController(of: live.metadata).map {
                "Secret \(ref) is managed by \($0.name), which would overwrite it; stop that before you apply the WrappedSecret"
            }
            outputs.append(
                try ImportedSecret(
                    namespace: ref.namespace, name: ref.name, source: secret.source,
                    manifest: wrapped.manifest, notes: wrapped.notes + [owned ?? kept].compactMap(\.self)))
        }
        return outputs
    }

    /// Returns the steps that let a WrappedSecret take over a Secret with an owner.
    private static func handover(_ ref: ObjectRef, _ kind: String) -> String {
        guard SealedSecretHandover.isSealedSecret(kind) else {
            return "a WrappedSecret cannot write it while it has that owner (OwnedByAnother)"
        }
        return "hand it over: \(SealedSecretHandover.steps(namespace: ref.namespace, name: ref.name))"
    }

    private static func otherOwner(_ metadata: ObjectMeta) -> String? {
        if metadata.labels?[OwnershipMetadata.managedLabel] != nil { return wrappedSecret(of: metadata) }
        if metadata.deletionTimestamp != nil { return "it is being deleted" }
        guard let owner = metadata.ownerReferences?.first else {
            return ExternalController(of: metadata).map { "\($0.name) manages it and would overwrite it" }
        }
        let advice =
            SealedSecretHandover.isSealedSecret(owner.kind)
            ? "; convert the SealedSecret with import --sealed, or name the Secret and hand it over" : ""
        return "\(owner.kind) \(owner.name) owns it and would recreate it\(advice)"
    }

    /// Describes the WrappedSecret of a Secret with the label `secrets-bridge.io/managed`: some own their Secret, some
    /// leave it behind, and some only add entries.
    private static func wrappedSecret(of metadata: ObjectMeta) -> String {
        if let owner = OwnershipMetadata.owner(of: metadata) {
            return "WrappedSecret \(owner.name) owns it"
        }
        if let creator = OwnershipMetadata.wrappedSecretName(of: metadata) {
            return "WrappedSecret \(creator) created it and may no longer exist; name the Secret to import it"
        }
        return
            "a WrappedSecret adds entries to it (creationPolicy Merge); name the Secret to import all of its entries"
    }
}

/// Another controller that writes a Secret without owning it, as its labels or annotations on the Secret show.
struct ExternalController: Sendable {
    let name: String

    /// Returns nil if no such controller is known to write the Secret.
    init?(of metadata: ObjectMeta) {
        let labels = metadata.labels ?? [:]
        let annotations = metadata.annotations ?? [:]
        let found = Self.known.first { _, label, annotation in
            labels.keys.contains { key in label.contains(where: key.hasPrefix) }
                || annotations.keys.contains { key in annotation.contains(where: key.hasPrefix) }
        }
        guard let found else { return nil }
        name = found.name
    }

    /// Controllers with prefixes of the keys of their labels and annotations.
    private static let known: [(name: String, labels: [String], annotations: [String])] = [
        ("cert-manager", ["controller.cert-manager.io/fao"], ["cert-manager.io/certificate-name"]),
        (
            "External Secrets", ["reconcile.external-secrets.io/"],
            ["reconcile.external-secrets.io/data-hash"]
        ),
        (
            "Reflector", [],
            [
                "reflector.v1.k8s.emberstack.com/reflects",
                "reflector.v1.k8s.emberstack.com/reflected-",
                "reflector.v1.k8s.emberstack.com/auto-reflects",
            ]
        ),
        ("kubernetes-replicator", [], ["replicator.v1.mittwald.de/replicated-"]),
    ]
}
