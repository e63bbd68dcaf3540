package import Cryptography
package import KubeClient

/// The labels, annotations and owner references that record which WrappedSecret owns a Secret.
package enum OwnershipMetadata {
    /// Label with the value "true" on every Secret that the controller creates; the watch of Secrets selects it.
    package static let managedLabel = "secrets-bridge.io/managed"
    /// Annotation with the name of the WrappedSecret.
    package static let wrappedSecretAnnotation = "secrets-bridge.io/wrapped-secret"
    /// Annotation with `<uid>/<generation>` of the WrappedSecret: a controller with an older cache never overwrites a
    /// Secret from a later generation.
    package static let sourceAnnotation = "secrets-bridge.io/source"
    /// Annotation of a Secret that lets a WrappedSecret take it over, "adopt", or add entries to it, "merge".
    package static let allowAnnotation = "secrets-bridge.io/allow"
    /// Value of `allowAnnotation` that lets one WrappedSecret take the Secret over; the adoption removes it.
    package static let adoptValue = "adopt"
    /// Annotation with the value "Orphan" of a Secret that outlives its WrappedSecret and has no owner reference.
    package static let creationPolicyAnnotation = "secrets-bridge.io/creation-policy"
    /// Annotation of a WrappedSecret: each new value makes the controller write the Secret from the ciphertext again.
    package static let syncAnnotation = "secrets-bridge.io/sync"
    /// Annotation of a workload with the names of the WrappedSecrets that may restart it, separated by commas, or "*".
    package static let allowRestartAnnotation = "secrets-bridge.io/allow-restart"
    package static let managedByLabel = "app.kubernetes.io/managed-by"

    /// Returns true if the label or annotation belongs to the controller, so that no template may set it.
    package static func isReserved(_ key: String) -> Bool {
        key.hasPrefix("secrets-bridge.io/") || key == managedByLabel
    }

    package static let labels = [managedLabel: "true", managedByLabel: "secrets-bridge"]

    /// Returns the annotations that the controller sets on the Secret of this object.
    package static func annotations(of object: WrappedSecret) -> [String: String] {
        var annotations = [
            wrappedSecretAnnotation: object.metadata.name, sourceAnnotation: sourceValue(object),
        ]
        if object.spec.isOrphan { annotations[creationPolicyAnnotation] = "Orphan" }
        return annotations
    }

    /// Returns the value of `sourceAnnotation` for a Secret from this generation of the object.
    package static func sourceValue(_ object: WrappedSecret) -> String {
        "\(object.metadata.uid ?? "")/\(object.metadata.generation ?? 0)"
    }

    /// Returns the owner references that the Secret must have: one, or none if it outlives the object.
    package static func ownerReferences(to object: WrappedSecret) -> [OwnerReference] {
        object.spec.isOrphan ? [] : [ownerReference(to: object)]
    }

    /// Returns the WrappedSecret that the annotation of a Secret names. It is the only trace of the owner if the policy is
    /// Orphan, or if another writer removed the owner reference.
    package static func wrappedSecretName(of secret: ObjectMeta) -> String? {
        secret.annotations?[wrappedSecretAnnotation]
    }

    /// Returns true if `managedFields` shows that the controller has set a field of this Secret.
    package static func managesFields(_ secret: ObjectMeta) -> Bool {
        secret.managedFields?.contains { $0.manager == KubeClient.fieldManager } == true
    }

    /// Returns the uid and generation of the WrappedSecret that `annotation` of a Secret records, or nil if it is absent or
    /// malformed.
    package static func source(
        of secret: ObjectMeta, _ annotation: String = OwnershipMetadata.sourceAnnotation
    ) -> (uid: String, generation: Int64)? {
        guard let source = secret.annotations?[annotation], let slash = source.lastIndex(of: "/"),
            let generation = Int64(source[source.index(after: slash)...])
        else { return nil }
        return (String(source[..<slash]), generation)
    }

    /// Returns a reference with `controller: true` and without `blockOwnerDeletion`.
    package static func ownerReference(to object: WrappedSecret) -> OwnerReference {
        OwnerReference(
            apiVersion: WrappedSecret.resource.apiVersion, kind: WrappedSecret.resource.kind,
            name: object.metadata.name, uid: object.metadata.uid ?? "", controller: true)
    }

    /// Returns the WrappedSecret that owns this Secret, of any version and uid: its controller, or the first WrappedSecret
    /// among its owners if another writer has removed `controller: true`.
    package static func owner(of secret: ObjectMeta) -> OwnerReference? {
        if let controller = controller(of: secret) { return isWrappedSecret(controller) ? controller : nil }
        return secret.ownerReferences?.first(where: isWrappedSecret)
    }

    package static func controller(of secret: ObjectMeta) -> OwnerReference? {
        secret.ownerReferences?.first { $0.controller == true }
    }

    /// Returns true if group and kind are those of a WrappedSecret, in any version.
    package static func isWrappedSecret(_ reference: OwnerReference) -> Bool {
        reference.kind == WrappedSecret.resource.kind && reference.apiVersion.hasPrefix(apiVersionPrefix)
    }

    private static let apiVersionPrefix = "\(WrappedSecret.resource.group)/"

    /// Returns the annotation of a pod template that holds the MAC of the values that its pods were started with. Each
    /// WrappedSecret has its own.
    package static func restartAnnotation(by name: String) throws(CryptoError) -> String {
        "secrets-bridge.io/restarted-\(try NameHash.of(name))"
    }

    /// Returns true if the annotation of a workload lets the WrappedSecret `name` restart it.
    package static func allowsRestart(_ workload: ObjectMeta, by name: String) -> Bool {
        let allowed = (workload.annotations?[allowRestartAnnotation] ?? "").split(separator: ",")
        return allowed.contains { entry in
            let entry = entry.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            return entry.elementsEqual("*") || entry.elementsEqual(name)
        }
    }
}
