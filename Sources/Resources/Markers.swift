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

    /// The WrappedSecret that controls this Secret: our group and kind, any version, any uid.
    package static func owner(of secret: ObjectMeta) -> OwnerReference? {
        controller(of: secret).flatMap { isOurKind($0) ? $0 : nil }
    }

    package static func controller(of secret: ObjectMeta) -> OwnerReference? {
        secret.ownerReferences?.first { $0.controller == true }
    }

    private static func isOurKind(_ reference: OwnerReference) -> Bool {
        reference.kind == WrappedSecret.resource.kind
            && reference.apiVersion.split(separator: "/").first.map(String.init)
                == WrappedSecret.resource.group
    }
}
