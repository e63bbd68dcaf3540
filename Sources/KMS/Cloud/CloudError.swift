import Concurrency
import Envelope
import System

/// An error of a request to a cloud's KMS, or of getting a token for it. Its message contains no secret and no text of a
/// server.
struct CloudError: RefreshFailure, Equatable, Sendable, CustomStringConvertible {
    enum Code: Sendable, CaseIterable {
        /// The calling task was cancelled.
        case cancelled
        /// There was no response, or the service failed: a retry may succeed.
        case unavailable
        case throttled
        /// An operator must change the settings or the files that they name.
        case misconfigured
        /// The service does not know the identity, or the identity lacks a permission.
        case accessDenied
        /// The key, or the version that wrapped the data key, is disabled, destroyed or unknown.
        case keyUnavailable
        case invalidCiphertext
        /// A checksum shows that a request or a response was changed on its way.
        case corrupted
        /// The service used another key than the requested one.
        case wrongKey
    }

    let code: Code
    /// The subject, the problem and its remedy on one line.
    let message: String
    let retryAfter: Duration?
    /// True if requests for other data keys fail as well, as in an outage. False if the error may concern one ciphertext
    /// only: IAM policies can have conditions, and each key version has its own state.
    let concernsAllRequests: Bool

    /// - Parameter concernsAllRequests: The default depends on the code.
    init(
        _ code: Code, _ message: String, retryAfter: Duration? = nil, concernsAllRequests: Bool? = nil
    ) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
        self.concernsAllRequests =
            concernsAllRequests ?? [.cancelled, .unavailable, .misconfigured].contains(code)
    }

    var isOutage: Bool { code == .unavailable || code == .throttled }
    var description: String { message }

    /// The same error as the reason why there is no token, which concerns all requests.
    var asTokenError: CloudError {
        CloudError(
            code == .throttled ? .unavailable : code, message, retryAfter: retryAfter,
            concernsAllRequests: true)
    }
}

extension KeyManagerError {
    /// Maps an error of a cloud to the backend-independent error.
    init(_ error: CloudError, keyID: String, concernsOneCiphertext: Bool = false) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unavailable, .corrupted, .wrongKey: .unavailable
            case .throttled: .throttled
            case .misconfigured: .misconfigured
            case .accessDenied: .accessDenied
            case .keyUnavailable: .keyUnavailable
            case .invalidCiphertext: .invalidCiphertext
            }
        self.init(
            code, keyID: keyID, message: error.message, retryAfter: error.retryAfter,
            concernsOneCiphertext: concernsOneCiphertext)
    }
}

extension CloudError {
    init(_ error: IdentityTokenError) {
        let code: Code =
            switch error.code {
            case .misconfigured: .misconfigured
            case .denied: .accessDenied
            case .unavailable: .unavailable
            case .cancelled: .cancelled
            }
        self.init(code, error.message, retryAfter: error.retryAfter, concernsAllRequests: true)
    }
}
