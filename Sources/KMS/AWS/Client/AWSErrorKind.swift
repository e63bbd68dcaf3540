/// What AWS can have against a request, told by the name it gives the error. The status counts only where there is
/// no name that is known: KMS throttles with 400.
enum AWSErrorCategory: Equatable, Sendable, CaseIterable {
    case throttled
    /// AWS failed, or something that it depends on.
    case outage
    /// The credentials ended, or nobody knows them.
    case invalidCredentials
    /// The signature is another one than AWS computes.
    case signatureMismatch
    /// The request's time is too far from AWS's.
    case clockSkew
    case accessDenied
    case keyNotFound
    case keyDisabled
    /// The key is pending deletion, or waits for an import or a replica.
    case invalidKeyState
    /// The key is not one for symmetric encryption.
    case invalidKeyUsage
    /// Wrong encryption context, changed bytes, not a ciphertext. KMS does not tell which.
    case invalidCiphertext
    /// Another key than the one named made the ciphertext.
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
                    "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException",
                    "InternalFailure", "InternalError", "InternalServerError", "ServiceUnavailable",
                    "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException",
                ]
            ),
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
