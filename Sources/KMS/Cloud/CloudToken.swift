import Concurrency
import Cryptography
import HTTPTypes
import Settings

/// An access token (RFC 6749, section 1.4).
struct CloudToken: Sendable {
    /// One word of visible ASCII.
    let value: SharedSecret
    /// Nil if the token does not expire.
    let lifetime: Duration?
    /// The time after which the issuer asks to replace the token, if it did.
    var refreshAfter: Duration?
    /// Further fields of requests with this token, such as the project whose quota they use.
    var fields: HTTPFields = [:]
}

/// One source of access tokens: a file with credentials, a metadata server, a token exchange. Safe to use from many tasks.
protocol CloudTokenSource: Sendable {
    /// The name that messages use.
    var name: String { get }

    /// True for a source that is tried although it has no settings. Its failure then also means that no other source is
    /// configured.
    var isImplicit: Bool { get }

    /// Reads the files and queries the servers of this source. Has a deadline of its own.
    ///
    /// - Returns: Nil if this source is not configured, so that the next one is tried.
    /// - Throws: `CloudError` if the source is configured and fails. A chain ends then: it must not use other credentials
    ///   than the configured ones.
    func token() async throws(CloudError) -> CloudToken?
}

extension CloudTokenSource {
    var isImplicit: Bool { false }
}

/// Takes the token from the first source that is configured.
struct CloudTokenChain: CloudTokenSource {
    /// For example `Google credentials`.
    let name: String
    /// The sources in the order in which they are tried.
    let sources: [any CloudTokenSource]
    /// The remedy that the message names if no source is configured.
    let remedy: String

    /// Never returns nil.
    func token() async throws(CloudError) -> CloudToken? {
        var tried: [String] = []
        for source in sources {
            do throws(CloudError) {
                if let token = try await source.token() { return token }
            } catch {
                guard source.isImplicit, error.code != .cancelled else { throw error }
                let place = tried.isEmpty ? "" : " (\(tried.joined(separator: ", ")))"
                throw CloudError(
                    error.code, "no \(name) are configured\(place), and \(error.message); \(remedy)",
                    retryAfter: error.retryAfter)
            }
            tried.append(source.name)
        }
        throw CloudError(
            .misconfigured, "no \(name) are configured (\(tried.joined(separator: ", "))); \(remedy)")
    }
}

/// Access tokens that are kept fresh. Safe to use from many tasks.
protocol CloudTokenProvider: Sendable {
    /// Returns the token at hand, or fetches one for all waiting tasks.
    func token() async throws(CloudError) -> Refreshed<CloudToken>

    /// Records that a service answered 401 to a token.
    ///
    /// - Parameter response: The response, which may say which token the service wants.
    /// - Returns: True if `token()` may return another token now, so that the request should be repeated.
    func recordDenial(of token: Refreshed<CloudToken>, by response: CloudResponse) -> Bool

    /// Records that a service accepted a token.
    func recordSuccess(of token: Refreshed<CloudToken>)
}

/// The tokens of a source, refreshed ahead of their end. All waiting tasks share one fetch, and a task that is cancelled does
/// not cancel it.
final class RefreshingCloudToken: CloudTokenProvider {
    /// Tokens live for about an hour and are refreshed in the last quarter of an hour, or in the last quarter of a shorter
    /// life. Metadata servers return the same token until five minutes before its end, so that the refresh is not repeated
    /// within half a minute.
    static let policy = {
        var policy = RefreshPolicy()
        policy.refreshLead = .init(share: 0.25, maximum: .seconds(4 * 60))
        policy.refreshJitter = 0.2
        policy.minimumRefreshInterval = .seconds(1)
        policy.expiryLead = .init(share: 0.1, maximum: .seconds(20))
        policy.maximumRetryInOutage = .seconds(5)
        policy.maximumRetryWhileServing = .seconds(30)
        policy.denialMemory = .seconds(3600)
        return policy
    }()

    private let refreshing: Refreshing<CloudToken, CloudError>

    init(
        _ source: any CloudTokenSource, policy: RefreshPolicy = policy,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        refreshing = Refreshing(
            policy, cancelled: CloudError(.cancelled, "cancelled while waiting for \(source.name)"), now: now
        ) { () throws(CloudError) in
            guard let token = try await source.token() else {
                throw CloudError(.misconfigured, "\(source.name): not configured")
            }
            return Grant(token, lifetime: token.lifetime, refreshAfter: token.refreshAfter)
        }
    }

    func token() async throws(CloudError) -> Refreshed<CloudToken> { try await refreshing.value() }

    func recordDenial(of token: Refreshed<CloudToken>, by response: CloudResponse) -> Bool {
        refreshing.recordDenial(ofGeneration: token.generation)
    }

    func recordSuccess(of token: Refreshed<CloudToken>) {
        refreshing.recordSuccess(ofGeneration: token.generation)
    }
}
