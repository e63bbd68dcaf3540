import Envelope
import HTTP

/// Why a call to AWS did not do what it should. AWS's own words are never in it: they can quote what was sent.
struct AWSRequestError: Error, Equatable, Sendable {
    enum Code: Equatable, Sendable {
        /// The calling task was cancelled.
        case cancelled
        /// No answer: DNS, connection, deadline.
        case unreachable
        /// TLS or our own request: somebody has to change the settings.
        case misconfigured
        /// There are none, or AWS does not take them.
        case credentials(AWSCredentialsError.Code)
        case errorResponse(AWSErrorCategory)
        /// A success without what belongs into it, or an answer that AWS does not give.
        case malformedResponse
        /// Another key was used than the one named.
        case wrongKey
        /// Not sent: this process keeps below its own limit.
        case locallyThrottled
    }

    let code: Code
    /// One line: what happened and what to do.
    let message: String
    let retryAfter: Duration?

    init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
    }

    /// Whether it concerns the one row or key that was asked about, so that others may be served. Policies can
    /// tell rows apart by their encryption context, and keys have states of their own. Throttling is answered by
    /// going slower, not by asking nothing.
    var isPerCiphertext: Bool {
        switch code {
        case .errorResponse(.outage), .errorResponse(.invalidCredentials), .errorResponse(.signatureMismatch),
            .errorResponse(.clockSkew):
            false
        case .errorResponse, .locallyThrottled, .wrongKey: true
        case .cancelled, .unreachable, .misconfigured, .credentials, .malformedResponse: false
        }
    }
}

extension AWSRequestError {
    /// Whether it concerns everything that the key wrapped.
    var isPerKey: Bool {
        [.errorResponse(.keyDisabled), .errorResponse(.invalidKeyState), .errorResponse(.keyNotFound)]
            .contains(code)
    }
}

extension KeyManagerError {
    /// What a failure at AWS is to whoever wants a key.
    init(_ error: AWSRequestError, keyID: String) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unreachable, .malformedResponse, .wrongKey, .errorResponse(.outage),
                .credentials(.unavailable):
                .unavailable
            case .locallyThrottled, .errorResponse(.throttled): .throttled
            case .misconfigured, .credentials(.misconfigured): .misconfigured
            case .credentials(.denied), .errorResponse(.invalidCredentials), .errorResponse(.accessDenied):
                .accessDenied
            case .credentials(.cancelled): .cancelled
            case .errorResponse(.keyNotFound), .errorResponse(.keyDisabled), .errorResponse(.invalidKeyState):
                .keyUnavailable
            case .errorResponse(.invalidCiphertext), .errorResponse(.incorrectKey): .invalidCiphertext
            // A reason that is not known may be anybody's fault: the row must not be given up for it.
            case .errorResponse(.signatureMismatch), .errorResponse(.clockSkew),
                .errorResponse(.invalidKeyUsage), .errorResponse(.unknown):
                .misconfigured
            }
        self.init(code, keyID: keyID, message: error.message, retryAfter: error.retryAfter)
    }
}
