import Cryptography
import Envelope
import KubeClient
import Resources

/// Tokens of a service account in a tenant's namespace, which the API server issues for the audience of a KMS.
struct ServiceAccountToken: IdentityTokenSource {
    let client: KubeClient
    let account: ResolvedProvider.ServiceAccount

    var name: String { "the token of service account \(account.ref)" }

    func token() async throws(IdentityTokenError) -> SharedSecret {
        do {
            return try await client.requestToken(of: account.ref, audience: account.audience)
        } catch {
            throw IdentityTokenError(error, account.ref)
        }
    }
}

extension IdentityTokenError {
    fileprivate init(_ error: KubeError, _ account: ObjectRef) {
        switch error.code {
        case .cancelled: self.init(.cancelled, "\(error)")
        case .forbidden:
            self.init(
                .denied,
                "the controller may not request tokens of service account \(account); allow create on "
                    + "serviceaccounts/token with resourceNames [\(account.name)] by a Role in namespace "
                    + "\(account.namespace) (docs/tenancy.md)")
        case .notFound:
            self.init(
                .misconfigured,
                "service account \(account) does not exist; create it, or name another in the provider")
        default: self.init(.unavailable, "\(error)", retryAfter: error.retryAfter)
        }
    }
}
