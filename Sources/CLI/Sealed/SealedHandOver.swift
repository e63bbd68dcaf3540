import Resources

/// How a Secret passes from its SealedSecret to a WrappedSecret, in words for messages. The Secret has the name of its
/// SealedSecret.
package enum SealedSecretHandover {
    package static func steps(namespace: String?, name: String) -> String {
        let object = "-n \(namespace?.shellQuoted ?? "NAMESPACE") \(name.shellQuoted)"
        return "kubectl delete sealedsecret \(object) --cascade=orphan && kubectl annotate secret \(object) "
            + "\(OwnershipMetadata.allowAnnotation)=adopt, then apply the WrappedSecret; with Argo CD or Flux do as "
            + "docs/moving-from-sealed-secrets.md says"
    }

    /// Whether a kind is that of SealedSecrets.
    static func isSealedSecret(_ kind: String) -> Bool { kind == SealedSecretDocument.kind }
}
