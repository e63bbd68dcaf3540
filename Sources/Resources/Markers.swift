package import KubeClient

/// The labels, annotations and owner reference by which a Secret is known to be ours.
package enum OwnershipMetadata {
    /// Label with the value "true" on every Secret we made: what the watch selects.
    package static let managedLabel = "secrets-bridge.io/managed"
    /// Annotation: name of the WrappedSecret.
    package static let wrappedSecretAnnotation = "secrets-bridge.io/wrapped-secret"
    /// Annotation `<uid>/<generation>` of the WrappedSecret: a Secret from a later generation is never
    /// overwritten by a controller with an older cache.
    package static let sourceAnnotation = "secrets-bridge.io/source"
    /// Annotation by which whoever may write a Secret hands it over, "adopt", or opens it to a WrappedSecret that adds
    /// its entries to it, "merge".
    package static let allowAnnotation = "secrets-bridge.io/allow"
    /// Value of `allow` by which a Secret is handed over. It is used up: the adoption removes it.
    package static let adoptValue = "adopt"
    /// Annotation of a Secret that outlives its WrappedSecret, "Orphan": no owner reference says whose it is.
    package static let creationPolicyAnnotation = "secrets-bridge.io/creation-policy"
    /// Annotation of a WrappedSecret: any new value asks for the Secret to be made again from the ciphertext.
    package static let syncAnnotation = "secrets-bridge.io/sync"
    /// Annotation of a workload that lets a WrappedSecret restart it: names, separated by commas, or "*".
    package static let allowRestartAnnotation = "secrets-bridge.io/allow-restart"
    package static let managedByLabel = "app.kubernetes.io/managed-by"

    /// Whether a label or annotation is the controller's, which no template may set.
    package static func isReserved(_ key: String) -> Bool {
        key.hasPrefix("secrets-bridge.io/") || key == managedByLabel
    }

    package static func labels() -> [String: String] {
        [managedLabel: "true", managedByLabel: "secrets-bridge"]
    }

    package static func annotations(of object: WrappedSecret) -> [String: String] {
        var annotations = [
            wrappedSecretAnnotation: object.metadata.name, sourceAnnotation: sourceValue(object),
        ]
        if object.spec.isOrphan { annotations[creationPolicyAnnotation] = "Orphan" }
        return annotations
    }

    /// What the annotation `source` says of a Secret that is made from this object as it is.
    package static func sourceValue(_ object: WrappedSecret) -> String {
        "\(object.metadata.uid ?? "")/\(object.metadata.generation ?? 0)"
    }

    /// Those of ours that the Secret is to have: one, or none when it outlives the object.
    package static func ownerReferences(to object: WrappedSecret) -> [OwnerReference] {
        object.spec.isOrphan ? [] : [ownerReference(to: object)]
    }

    /// Name of the WrappedSecret that made a Secret, as our annotation says: the only mark of an orphan, and the last one
    /// of a Secret that lost its owner reference.
    package static func wrappedSecretName(of secret: ObjectMeta) -> String? {
        secret.annotations?[wrappedSecretAnnotation]
    }

    /// Whether we have set a field of this Secret, by the API server's account.
    package static func managesFields(_ secret: ObjectMeta) -> Bool {
        secret.managedFields?.contains { $0.manager == KubeClient.fieldManager } == true
    }

    /// uid and generation of the WrappedSecret that a Secret was made from.
    ///
    /// - Parameter annotation: which says so.
    package static func source(
        of secret: ObjectMeta, _ annotation: String = OwnershipMetadata.sourceAnnotation
    ) -> (uid: String, generation: Int64)? {
        guard let source = secret.annotations?[annotation], let slash = source.lastIndex(of: "/"),
            let generation = Int64(source[source.index(after: slash)...])
        else { return nil }
        return (String(source[..<slash]), generation)
    }

    /// `controller: true`, and nothing that would block a deletion.
    package static func ownerReference(to object: WrappedSecret) -> OwnerReference {
        OwnerReference(
            apiVersion: WrappedSecret.resource.apiVersion, kind: WrappedSecret.resource.kind,
            name: object.metadata.name, uid: object.metadata.uid ?? "", controller: true)
    }

    /// The WrappedSecret that this Secret belongs to, of any version and uid: its controller, or, where nobody
    /// controls it, the first WrappedSecret among its owners (somebody edited what we wrote).
    package static func owner(of secret: ObjectMeta) -> OwnerReference? {
        if let controller = controller(of: secret) { return isWrappedSecret(controller) ? controller : nil }
        return secret.ownerReferences?.first(where: isWrappedSecret)
    }

    package static func controller(of secret: ObjectMeta) -> OwnerReference? {
        secret.ownerReferences?.first { $0.controller == true }
    }

    /// Group and kind, whatever the version.
    package static func isWrappedSecret(_ reference: OwnerReference) -> Bool {
        reference.kind == WrappedSecret.resource.kind
            && reference.apiVersion.split(separator: "/").first.map(String.init)
                == WrappedSecret.resource.group
    }
}
