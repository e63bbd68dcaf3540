import FoundationEssentials
import Glibc
import HTTP
import HTTPTypes
import Primitives

/// What STS answered, in secret memory.
struct STSAnswer: Sendable {
    private let status: Int
    private let retryAfter: Duration?
    /// nil: no answer of STS.
    private let xml: FlatXML?
    private let action: String
    private let source: String

    static let codePath = "ErrorResponse/Error/Code"
    static let transientCodes: Set = [
        "IDPCommunicationError", "Throttling", "ThrottlingException", "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled", "SlowDown", "InternalFailure", "InternalError", "ServiceUnavailable",
    ]

    init(_ response: AWSCredentialsClient.Response, _ action: String, _ source: String) {
        status = response.head.status.code
        retryAfter = response.head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: time(nil)) }
        xml = FlatXML(response.body.bytes)
        self.action = action
        self.source = source
    }

    /// `denied`: what to do when STS knows us and says no.
    func credentials(
        for role: AWSAssumedRole, denied: String
    ) throws(AWSCredentialsError) -> AWSCredentials {
        guard 200..<300 ~= status else { throw failure(role, denied) }
        let path = "\(action)Response/\(action)Result/Credentials"
        guard let id = xml?.secret("\(path)/AccessKeyId"),
            let secret = xml?.secret("\(path)/SecretAccessKey"),
            let token = xml?.secret("\(path)/SessionToken"),
            let expiration = xml?.string("\(path)/Expiration").flatMap(AWSTimestamp.date),
            let credentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiration: expiration)
        else {
            throw AWSCredentialsError(
                .unavailable,
                "\(source): the answer to \(action) holds no credentials; is it STS that answers?")
        }
        return credentials
    }

    private func failure(_ role: AWSAssumedRole, _ denied: String) -> AWSCredentialsError {
        guard let code = xml?.string(Self.codePath).flatMap({ AWSErrorCode($0)?.name }) else {
            let isOutage = AWSCredentialsClient.isTransient(status)
            return AWSCredentialsError(
                isOutage ? .unavailable : .misconfigured,
                "\(source): \(action) was answered with HTTP \(status) and not by STS"
                    + (isOutage ? "" : "; check the proxy and AWS_ENDPOINT_URL_STS"), retryAfter: retryAfter)
        }
        let said = "\(source): STS refuses \(role.arn) with \(code)"
        if AWSCredentialsClient.isTransient(status) || Self.transientCodes.contains(code) {
            return AWSCredentialsError(
                .unavailable, "\(source): STS does not serve at the moment (\(code))", retryAfter: retryAfter)
        }
        switch code {
        case "AccessDenied", "AccessDeniedException":
            return AWSCredentialsError(.denied, "\(said); \(denied)")
        case "ExpiredTokenException", "ExpiredToken":
            return AWSCredentialsError(
                .denied, "\(said); the token has ended: check who replaces it, and this machine's clock")
        case "InvalidIdentityToken", "IDPRejectedClaim":
            return AWSCredentialsError(
                .denied,
                "\(said); check that the cluster's OIDC provider exists in IAM and that the audience is one "
                    + "of its client ids")
        case "RegionDisabledException":
            return AWSCredentialsError(
                .denied, "\(said); enable STS in this region, or set AWS_REGION to another")
        case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
            "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure", "InvalidAccessKeyId":
            return AWSCredentialsError(
                .denied, "\(said); the source credentials are not valid, or this machine's clock is wrong")
        case "RequestExpired", "RequestTimeTooSkewed":
            return AWSCredentialsError(.denied, "\(said); check this machine's clock")
        case "ValidationError", "InvalidParameterValue":
            return AWSCredentialsError(
                .denied,
                "\(said); check the role's ARN and duration_seconds against its maximum session duration")
        default: return AWSCredentialsError(.denied, "\(said); \(denied)")
        }
    }
}
