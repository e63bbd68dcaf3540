import Cryptography
import FoundationEssentials

/// What signs requests to AWS, and until when.
struct AWSCredentials: Sendable {
    /// Not a secret: it stands in every signed request and in audit logs.
    let accessKeyID: String
    let secretAccessKey: SharedSecret
    /// Of temporary credentials.
    let sessionToken: SharedSecret?
    /// nil: they do not end.
    let expiration: Date?
}

/// One place where credentials may come from: `environment`, `web identity`, … Safe to use from many tasks.
protocol AWSCredentialsSource: Sendable {
    /// As messages call it.
    var name: String { get }

    /// Whether it is asked without anybody having configured it, so that its failure means as well that
    /// nobody configured another.
    var isImplicit: Bool { get }

    /// Gets fresh ones; files are read and servers asked anew each time. nil: not configured here, ask the
    /// next source.
    ///
    /// Errors: configured, and broken. Nobody else is asked then: other credentials than those a person
    /// configured would be a surprise.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials?
}

extension AWSCredentialsSource {
    var isImplicit: Bool { false }
}

/// Credentials that are kept fresh. Safe to use from many tasks.
protocol AWSCredentialsProvider: Sendable {
    /// At hand, or fetched once for all that wait.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials

    /// AWS called `credentials` expired or unknown. Whether `credentials()` may give other ones now, so that
    /// it is worth asking again.
    func invalidate(_ credentials: AWSCredentials) -> Bool
}

/// Why there are no credentials. The message is ours and holds no secret.
struct AWSCredentialsError: Error, Equatable, Sendable, CustomStringConvertible {
    enum Code: Sendable {
        /// Nobody has credentials for us, or what is configured is wrong. A person must act.
        case misconfigured
        /// The token service says no: role, trust policy, token.
        case denied
        /// The source does not answer, or asks to slow down. Worth a retry.
        case unavailable
        case cancelled
    }

    let code: Code
    /// Which source, what is wrong, what to do; one line.
    let message: String
    let retryAfter: Duration?

    init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
    }

    var description: String { message }
}
