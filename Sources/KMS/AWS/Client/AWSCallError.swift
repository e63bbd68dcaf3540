import Envelope
import HTTP

/// Why a call to AWS did not do what it should. AWS's own words are never in it: they can quote what was sent.
struct AWSCallError: Error, Equatable, Sendable {
    enum Code: Equatable, Sendable {
        /// The calling task was cancelled.
        case cancelled
        /// No answer: DNS, connection, deadline.
        case unreachable
        /// TLS or our own request: somebody has to change the settings.
        case misconfigured
        /// There are none, or AWS does not take them.
        case credentials(AWSCredentialsError.Code)
        case answered(AWSErrorKind)
        /// A success without what belongs into it, or an answer that AWS does not give.
        case malformed
        /// Another key was used than the one named.
        case otherKey
        /// Not sent: this process keeps below its own limit.
        case heldBack
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
    var isOfOneRow: Bool {
        switch code {
        case .answered(.outage), .answered(.credentials), .answered(.signature), .answered(.clock): false
        case .answered, .heldBack, .otherKey: true
        case .cancelled, .unreachable, .misconfigured, .credentials, .malformed: false
        }
    }
}

extension AWSCallError {
    /// Whether it concerns everything that the key wrapped.
    var isOfOneKey: Bool {
        [.answered(.keyDisabled), .answered(.keyState), .answered(.keyNotFound)].contains(code)
    }
}

extension KeyManagerError {
    /// What a failure at AWS is to whoever wants a key.
    init(_ error: AWSCallError, keyID: String) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unreachable, .malformed, .otherKey, .answered(.outage), .credentials(.unavailable):
                .unavailable
            case .heldBack, .answered(.throttled): .throttled
            case .misconfigured, .credentials(.misconfigured): .misconfigured
            case .credentials(.denied), .answered(.credentials), .answered(.accessDenied): .accessDenied
            case .credentials(.cancelled): .cancelled
            case .answered(.keyNotFound), .answered(.keyDisabled), .answered(.keyState): .keyUnavailable
            case .answered(.invalidCiphertext), .answered(.incorrectKey): .invalidCiphertext
            // A reason that is not known may be anybody's fault: the row must not be given up for it.
            case .answered(.signature), .answered(.clock), .answered(.keyUsage), .answered(.unknown):
                .misconfigured
            }
        self.init(code, keyID: keyID, message: error.message, retryAfter: error.retryAfter)
    }
}
