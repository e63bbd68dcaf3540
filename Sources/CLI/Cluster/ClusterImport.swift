package import Envelope
package import KubeClient
import Resources
import System

/// Makes WrappedSecrets of the Secrets that a cluster has.
package struct ClusterImport: Sendable {
    private let secrets: LiveSecretReader
    private let keys: KeyRing
    private let scope: Scope

    /// Types that the cluster or a tool makes, and makes again.
    private static let madeTypes = [
        "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", HelmRelease.type,
    ]

    package init(secrets: LiveSecretReader, keys: KeyRing, scope: Scope) {
        self.secrets = secrets
        self.keys = keys
        self.scope = scope
    }

    /// `names` empty: all that nobody else makes; the others are noted. `expect` is told how many Secrets there are to
    /// read, then `advance` of each that is done with.
    package func wrap(
        _ selection: Selection, names: [String], note: (String) -> Void, expect: (Int) -> Void = { _ in },
        advance: () -> Void = {}
    ) async throws(InputError) -> [ImportedSecret] {
        var refs: [(ref: ObjectRef, uid: String?)] = []
        if names.isEmpty {
            let listed = try await secrets.list(selection)
            if listed.isEmpty { try await secrets.requireNamespace(of: selection) }
            for metadata in listed {
                if let why = Self.whoseElse(metadata) {
                    note("Secret \(metadata.ref) is left out: \(why)")
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
                    try await secrets.requireNamespace(of: selection)
                    throw InputError("there is no Secret \(ref)")
                }
                continue
            }
            let secret = live.input
            if names.isEmpty, Self.madeTypes.contains(secret.effectiveType) {
                note("Secret \(ref) is left out: \(secret.effectiveType) is made by the cluster or a tool")
                continue
            }
            let wrapped = try await SecretWrapper(keys: keys, scope: scope, namespace: nil).wrap(secret)
            let owned = secret.owner.map {
                "Secret \(ref) belongs to \($0.kind) \($0.name)\(Self.handOver(ref, $0.kind))"
            }
            let kept = ExternalController(of: live.metadata).map {
                "Secret \(ref) is kept by \($0.name), which would write it again; let it no longer make the Secret before a "
                    + "WrappedSecret does"
            }
            outputs.append(
                try ImportedSecret(
                    namespace: ref.namespace, name: ref.name, source: secret.source,
                    manifest: wrapped.manifest, notes: wrapped.notes + [owned ?? kept].compactMap(\.self)))
        }
        return outputs
    }

    /// What a WrappedSecret needs before it may write a Secret with an owner.
    private static func handOver(_ ref: ObjectRef, _ kind: String) -> String {
        guard SealedSecretHandover.isSealedSecret(kind) else {
            return "; a WrappedSecret does not write it as long as that is its owner (OwnedByAnother)"
        }
        return "; hand it over: \(SealedSecretHandover.steps(namespace: ref.namespace, name: ref.name))"
    }

    private static func whoseElse(_ metadata: ObjectMeta) -> String? {
        if metadata.labels?[OwnershipMetadata.managedLabel] != nil { return wrappedSecret(of: metadata) }
        if metadata.deletionTimestamp != nil { return "it is being deleted" }
        guard let owner = metadata.ownerReferences?.first else {
            return ExternalController(of: metadata).map { "\($0.name) keeps it and would write it again" }
        }
        let advice =
            SealedSecretHandover.isSealedSecret(owner.kind)
            ? "; convert the SealedSecret with import --sealed, or name the Secret and hand it over" : ""
        return "\(owner.kind) \(owner.name) owns it and would make it again\(advice)"
    }

    /// Of a Secret with our label: some WrappedSecrets own theirs, some leave it behind, and some only add entries.
    private static func wrappedSecret(of metadata: ObjectMeta) -> String {
        if let owner = OwnershipMetadata.owner(of: metadata) {
            return "it is made from WrappedSecret \(owner.name)"
        }
        if let maker = OwnershipMetadata.wrappedSecretName(of: metadata) {
            return "it was made from WrappedSecret \(maker), which may be gone; name the Secret to import it"
        }
        return
            "a WrappedSecret adds entries to it (creationPolicy Merge); name the Secret to import all of its entries"
    }
}
