import Resources

/// How a Secret passes from its SealedSecret to a WrappedSecret, in words for messages. The Secret has the name of its
/// SealedSecret.
package enum SealedHandOver {
    package static func steps(namespace: String?, name: String) -> String {
        let object = "-n \(namespace?.shellQuoted ?? "NAMESPACE") \(name.shellQuoted)"
        return "kubectl delete sealedsecret \(object) --cascade=orphan && kubectl annotate secret \(object) "
            + "\(Markers.allow)=adopt, then apply the WrappedSecret; with Argo CD or Flux do as "
            + "docs/moving-from-sealed-secrets.md says"
    }

    /// Whether a kind is that of SealedSecrets.
    static func isOwner(_ kind: String) -> Bool { kind == SealedSecretDocument.kind }
}
