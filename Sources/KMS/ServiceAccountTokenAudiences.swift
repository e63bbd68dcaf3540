/// The audiences of the token that Kubernetes mounts into this pod: those of the API server. A KMS that gets a token for one
/// of them could use it in the cluster.
package enum ServiceAccountTokenAudiences {
    /// Empty outside of a pod.
    package static var ofThisPod: Set<String> {
        let file = IdentityTokenFile(
            path: VaultVariables.defaultServiceAccountTokenFile, name: "the service account's token")
        return Set((try? file.read()).flatMap { JWTClaims($0) }?.audiences ?? [])
    }
}
