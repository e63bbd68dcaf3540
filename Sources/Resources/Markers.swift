package import KubeClient

/// The labels, annotations and owner reference by which a Secret is known to be ours.
package enum Markers {
    /// Label with the value "true" on every Secret we made: what the watch selects.
    package static let managed = "secrets-bridge.io/managed"
    /// Annotation: name of the WrappedSecret.
    package static let wrappedSecret = "secrets-bridge.io/wrapped-secret"
    /// Annotation `<uid>/<generation>` of the WrappedSecret: a Secret from a later generation is never
    /// overwritten by a controller with an older cache.
    package static let source = "secrets-bridge.io/source"
    /// Annotation by which the owner of a Secret hands it over: "adopt".
    package static let allow = "secrets-bridge.io/allow"
    package static let managedBy = "app.kubernetes.io/managed-by"

    package static func labels() -> [String: String] {
        [managed: "true", managedBy: "secrets-bridge"]
    }

    package static func annotations(of object: WrappedSecret) -> [String: String] {
        [
            wrappedSecret: object.metadata.name,
            source: "\(object.metadata.uid ?? "")/\(object.metadata.generation ?? 0)",
        ]
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
        if let controller = controller(of: secret) { return isOurKind(controller) ? controller : nil }
        return secret.ownerReferences?.first(where: isOurKind)
    }

    package static func controller(of secret: ObjectMeta) -> OwnerReference? {
        secret.ownerReferences?.first { $0.controller == true }
    }

    /// Group and kind, whatever the version.
    package static func isOurKind(_ reference: OwnerReference) -> Bool {
        reference.kind == WrappedSecret.resource.kind
            && reference.apiVersion.split(separator: "/").first.map(String.init)
                == WrappedSecret.resource.group
    }
}
