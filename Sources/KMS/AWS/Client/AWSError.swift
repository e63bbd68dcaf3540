import Envelope
import HTTP
import System

/// An error of a request to AWS. It never contains AWS's own message, which can quote the request.
struct AWSRequestError: Error, Equatable, Sendable {
    enum Code: Equatable, Sendable {
        /// The calling task was cancelled.
        case cancelled
        /// There was no response: DNS, connection or deadline.
        case unreachable
        /// TLS or the request itself failed; an operator must change the settings.
        case misconfigured
        /// No credentials could be loaded.
        case credentials(AWSCredentialsError.Code)
        case errorResponse(AWSErrorCategory)
        /// A success response lacks required content, or the response is not from AWS.
        case malformedResponse
        /// KMS used another key than the requested one.
        case wrongKey
        /// The request was not sent, to keep this process below its rate limit.
        case locallyThrottled
    }

    let code: Code
    /// The problem and its remedy on one line.
    let message: String
    let retryAfter: Duration?

    init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message.asOneLine
        self.retryAfter = retryAfter
    }

    /// True if the error may concern only one ciphertext, so that requests for others may succeed: policies can
    /// distinguish encryption contexts, and each key has its own state. Throttling is handled by the rate limiter, not
    /// by stopping all requests.
    var isPerCiphertext: Bool {
        switch code {
        case .errorResponse(.outage), .errorResponse(.invalidCredentials), .errorResponse(.signatureMismatch),
            .errorResponse(.clockSkew):
            false
        case .errorResponse, .locallyThrottled, .wrongKey: true
        case .cancelled, .unreachable, .misconfigured, .credentials, .malformedResponse: false
        }
    }

    /// True if all ciphertexts of the key are affected.
    var isPerKey: Bool {
        [.errorResponse(.keyDisabled), .errorResponse(.invalidKeyState), .errorResponse(.keyNotFound)]
            .contains(code)
    }
}

extension KeyManagerError {
    init(_ error: AWSRequestError, keyID: String, concernsOneCiphertext: Bool = false) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .unreachable, .malformedResponse, .wrongKey, .errorResponse(.outage),
                .errorResponse(.keyStoreOutage), .credentials(.unavailable):
                .unavailable
            case .locallyThrottled, .errorResponse(.throttled): .throttled
            case .misconfigured, .credentials(.misconfigured): .misconfigured
            case .credentials(.denied), .errorResponse(.invalidCredentials), .errorResponse(.accessDenied):
                .accessDenied
            case .credentials(.cancelled): .cancelled
            case .errorResponse(.keyNotFound), .errorResponse(.keyDisabled), .errorResponse(.invalidKeyState):
                .keyUnavailable
            case .errorResponse(.invalidCiphertext), .errorResponse(.incorrectKey): .invalidCiphertext
            // An unknown error may have any cause, so it must not be terminal for the WrappedSecret.
            case .errorResponse(.signatureMismatch), .errorResponse(.clockSkew),
                .errorResponse(.invalidKeyUsage), .errorResponse(.unsupportedOperation),
                .errorResponse(.unknown):
                .misconfigured
            }
        self.init(
            code, keyID: keyID, message: error.message, retryAfter: error.retryAfter,
            concernsOneCiphertext: concernsOneCiphertext)
    }
}

/// The category of an AWS error code. The HTTP status decides only for unknown codes: KMS throttles with 400.
enum AWSErrorCategory: Equatable, Sendable, CaseIterable {
    case throttled
    /// AWS failed, or a service that it depends on.
    case outage
    /// The store of this key does not serve, such as an external key store; KMS serves other keys.
    case keyStoreOutage
    /// The credentials are expired or unknown.
    case invalidCredentials
    /// AWS computed a signature that differs from the request's.
    case signatureMismatch
    /// The date of the signature is too far from AWS's clock.
    case clockSkew
    case accessDenied
    case keyNotFound
    case keyDisabled
    /// The key is pending deletion, or its key material or replica does not exist yet.
    case invalidKeyState
    /// The type of the key does not allow the operation or its algorithm.
    case invalidKeyUsage
    /// The operation is not for keys of this type, such as GetPublicKey for symmetric ones.
    case unsupportedOperation
    /// The encryption context is wrong, or the bytes are not a ciphertext. KMS does not distinguish these.
    case invalidCiphertext
    /// The ciphertext was made with another key than the one that the request names.
    case incorrectKey
    case unknown

    init(name: String?, status: Int) {
        if let name, let known = Self.names[name] {
            self = known
        } else if status == 429 {
            self = .throttled
        } else {
            self = status >= 500 ? .outage : .unknown
        }
    }

    /// Source: botocore's `_retry.json` and `throttling`, aws-sdk-go-v2 `aws/retry`, the KMS API reference.
    private static let names: [String: AWSErrorCategory] = {
        let groups: [(AWSErrorCategory, [String])] = [
            (
                .throttled,
                [
                    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
                    "RequestThrottledException", "TooManyRequestsException",
                    "ProvisionedThroughputExceededException", "TransactionInProgressException",
                    "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown",
                    "PriorRequestNotComplete", "EC2ThrottledException",
                ]
            ),
            (
                .outage,
                [
                    "KMSInternalException", "InternalFailure", "InternalError", "InternalServerError",
                    "ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout",
                    "RequestTimeoutException",
                ]
            ),
            // The second one is KMS's answer if the proxy of an external key store is slow.
            (.keyStoreOutage, ["KeyUnavailableException", "DependencyTimeoutException"]),
            (
                .invalidCredentials,
                [
                    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException",
                    "UnrecognizedClient",
                    "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken",
                ]
            ),
            (
                .signatureMismatch,
                ["InvalidSignatureException", "InvalidSignature", "SignatureDoesNotMatch", "AuthFailure"]
            ),
            (.clockSkew, ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"]),
            (.accessDenied, ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"]),
            (.keyNotFound, ["NotFoundException"]),
            (.keyDisabled, ["DisabledException"]),
            (.invalidKeyState, ["KMSInvalidStateException", "InvalidStateException"]),
            (.invalidKeyUsage, ["InvalidKeyUsageException"]),
            (.unsupportedOperation, ["UnsupportedOperationException"]),
            (.invalidCiphertext, ["InvalidCiphertextException"]),
            (.incorrectKey, ["IncorrectKeyException"]),
        ]
        var names: [String: AWSErrorCategory] = [:]
        for (kind, members) in groups {
            for name in members { names[name] = kind }
        }
        return names
    }()
}
