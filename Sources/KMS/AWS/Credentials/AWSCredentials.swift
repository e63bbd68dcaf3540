import Concurrency
import Cryptography
import FoundationEssentials
import System

/// Credentials that sign requests to AWS.
struct AWSCredentials: Sendable {
    /// This is not a secret: every signed request and audit logs contain it.
    let accessKeyID: String
    let secretAccessKey: SharedSecret
    /// Only temporary credentials have a session token.
    let sessionToken: SharedSecret?
    /// Nil if the credentials do not expire.
    let expiration: Date?
}

/// One source in the credentials chain: `environment`, `web identity`, … Safe to use from many tasks.
protocol AWSCredentialsSource: Sendable {
    /// The name that messages use.
    var name: String { get }

    /// True for a source that is tried although it has no settings. Its failure then also means that no other source is
    /// configured.
    var isImplicit: Bool { get }

    /// Reads the files and queries the servers of this source.
    ///
    /// - Returns: Nil if this source is not configured, so that the next one is tried.
    /// - Throws: `AWSCredentialsError` if the source is configured and fails. The chain ends then: it must not use other
    ///   credentials than the configured ones.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials?
}

extension AWSCredentialsSource {
    var isImplicit: Bool { false }
}

/// Credentials that are kept fresh. Safe to use from many tasks.
protocol AWSCredentialsProvider: Sendable {
    /// Returns the cached credentials, or fetches them once for all waiting tasks.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials

    /// Discards credentials that AWS rejected as expired or unknown.
    ///
    /// - Returns: True if `credentials()` may return others now, so that the request should be repeated.
    func invalidate(_ credentials: AWSCredentials) -> Bool
}

/// An error of loading credentials. Its message contains no secret and no text of a server.
struct AWSCredentialsError: RefreshFailure, Equatable, Sendable, CustomStringConvertible {
    enum Code: Sendable {
        /// No source is configured, or the configured one is wrong; an operator must change the settings.
        case misconfigured
        /// A service denied the role or the token.
        case denied
        /// The source does not respond, or throttles; a retry may succeed.
        case unavailable
        case cancelled
    }

    let code: Code
    /// The source, the problem and its remedy on one line.
    let message: String
    let retryAfter: Duration?

    init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
    }

    var isOutage: Bool { code == .unavailable }
    var description: String { message }
}
