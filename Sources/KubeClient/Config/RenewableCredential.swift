import Concurrency
import Cryptography
import FoundationEssentials

/// A credential that is fetched when it is first needed and again after it has expired.
///
/// Guarantees: one fetch runs at a time, however many tasks wait for it; a task that is cancelled stops waiting without
/// cancelling the fetch; the next call after a failure fetches again.
struct RenewableCredential: CredentialSource {
    /// A credential as its issuer returned it.
    struct Issued: Sendable {
        let authorization: SharedSecret?
        let clientCertificate: ClusterConfiguration.ClientCertificate?
        /// The end of its validity, or nil if it is valid until the server refuses it.
        let expiration: Date?

        /// A century in seconds. Any number can be the date in a token, and only a bounded lifetime can be added to an
        /// instant.
        private static let maximumLifetime = 100 * 365 * 86_400.0

        fileprivate var grant: Grant<Issued> {
            Grant(
                self,
                lifetime: expiration.map { expiration in
                    .seconds(min(max(expiration.timeIntervalSinceNow, 0), Self.maximumLifetime))
                })
        }
    }

    private static let policy = {
        var policy = RefreshPolicy()
        policy.refreshLead = nil
        // A credential that expires within ten seconds might expire on the way to the server.
        policy.expiryLead = .init(share: 1, maximum: .seconds(10))
        policy.countsFromRequest = false
        policy.retryBase = .zero
        policy.denialPause = .zero
        return policy
    }()

    private let refreshing: Refreshing<Issued, ConfigurationError>
    private let isRenewedWhenRefused: Bool

    /// - Parameters:
    ///   - origin: the issuer, for errors: `a credential plugin`.
    ///   - issued: a credential that is known already.
    ///   - isRenewedWhenRefused: true to fetch another credential after a 401, before this one has expired.
    init(
        from origin: String, issued: Issued? = nil, isRenewedWhenRefused: Bool = true,
        fetch: @escaping @Sendable () async throws(ConfigurationError) -> Issued
    ) {
        self.isRenewedWhenRefused = isRenewedWhenRefused
        let cancelled = ConfigurationError(.cancelled, "cancelled while waiting for \(origin)")
        refreshing = Refreshing(Self.policy, initial: issued?.grant, cancelled: cancelled) {
            () async throws(ConfigurationError) in
            try await fetch().grant
        }
    }

    func credential() async throws(ConfigurationError) -> Credential {
        let refreshed = try await refreshing.value()
        return Credential(
            authorization: refreshed.value.authorization,
            clientCertificate: refreshed.value.clientCertificate, generation: refreshed.generation)
    }

    func invalidate(_ used: Credential) async {
        if isRenewedWhenRefused { _ = refreshing.recordDenial(ofGeneration: used.generation) }
    }
}

extension ConfigurationError: RefreshFailure {
    package var isOutage: Bool { false }
}
