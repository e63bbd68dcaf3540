import Cryptography
import FoundationEssentials
import Glibc
import HTTP
import HTTPTypes
import System

/// A response of STS in secret memory.
struct STSResponse: Sendable {
    private let status: Int
    private let retryAfter: Duration?
    private let date: String?
    /// Nil if the response is not from STS.
    private let xml: FlatXML?
    private let action: String
    private let source: String

    /// The paths of the error code in an error response. Errors of a gateway in front of STS have the second form.
    static let errorCodePaths = ["ErrorResponse/Error/Code", "ErrorResponse/Errors/Error/Code"]

    init(_ response: AWSCredentialsClient.Response, _ action: String, _ source: String) {
        status = response.head.status.code
        retryAfter = response.head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: time(nil)) }
        date = response.head.fields[.date]
        xml = FlatXML(response.body.bytes)
        self.action = action
        self.source = source
    }

    /// Returns true for a transient error with any status: STS throttles with 400.
    static func isTransient(_ code: String) -> Bool {
        [.throttled, .outage].contains(AWSErrorCategory(name: code, status: 0))
            || code == "IDPCommunicationError"
    }

    static func errorCode(in xml: FlatXML) -> String? {
        errorCodePaths.compactMap { xml.string($0) }.first.flatMap { AWSErrorCode($0)?.text }
    }

    /// - Returns: True if STS rejected the date of the request, and `skew` has changed.
    func updateClockSkew(_ skew: inout AWSClockSkew, now: Date) -> Bool {
        guard status >= 400, let code = xml.flatMap({ Self.errorCode(in: $0) }) else { return false }
        return skew.update(from: AWSErrorCategory(name: code, status: status), date: date, now: now)
    }

    /// - Parameter remedyIfDenied: The remedy that the message names if STS denies the role.
    func credentials(
        for role: AWSAssumedRole, remedyIfDenied: String
    ) throws(AWSCredentialsError) -> AWSCredentials {
        guard 200..<300 ~= status else { throw makeError(role, remedyIfDenied) }
        let path = "\(action)Response/\(action)Result/Credentials"
        guard let id = xml?.secret("\(path)/AccessKeyId"),
            let secret = xml?.secret("\(path)/SecretAccessKey"),
            let token = xml?.secret("\(path)/SessionToken"),
            let expiration = xml?.string("\(path)/Expiration").flatMap(RFC3339.date),
            let credentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiration: expiration)
        else {
            throw AWSCredentialsError(
                .unavailable,
                "\(source): the response to \(action) has no credentials; check AWS_ENDPOINT_URL_STS")
        }
        return credentials
    }

    private func makeError(_ role: AWSAssumedRole, _ remedyIfDenied: String) -> AWSCredentialsError {
        guard let code = xml.flatMap({ Self.errorCode(in: $0) }) else {
            let isOutage = AWSCredentialsClient.isTransient(status)
            return AWSCredentialsError(
                isOutage ? .unavailable : .misconfigured,
                "\(source): another server than STS responds to \(action) with HTTP \(status)"
                    + (isOutage ? "" : "; check the proxy and AWS_ENDPOINT_URL_STS"), retryAfter: retryAfter)
        }
        let problem = "\(source): STS denies \(role.arn) with \(code)"
        if AWSCredentialsClient.isTransient(status) || Self.isTransient(code) {
            return AWSCredentialsError(
                .unavailable, "\(source): STS is unavailable (\(code)); the request will be retried",
                retryAfter: retryAfter)
        }
        switch code {
        case "AccessDenied", "AccessDeniedException":
            return AWSCredentialsError(.denied, "\(problem); \(remedyIfDenied)")
        case "ExpiredTokenException", "ExpiredToken":
            return AWSCredentialsError(
                .denied,
                "\(problem); the token has expired: check that the platform replaces it, and this machine's clock"
            )
        case "InvalidIdentityToken", "IDPRejectedClaim":
            return AWSCredentialsError(
                .denied,
                "\(problem); check that the cluster's OIDC provider exists in IAM and that the audience is one "
                    + "of its client ids")
        case "RegionDisabledException":
            return AWSCredentialsError(
                .denied, "\(problem); enable STS in this region, or set AWS_REGION to another")
        case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
            "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure", "InvalidAccessKeyId":
            return AWSCredentialsError(
                .denied, "\(problem); the source credentials are not valid, or this machine's clock is wrong")
        case "RequestExpired", "RequestTimeTooSkewed":
            return AWSCredentialsError(.denied, "\(problem); check this machine's clock")
        case "ValidationError", "InvalidParameterValue":
            return AWSCredentialsError(
                .denied,
                "\(problem); check the role's ARN and duration_seconds against its maximum session duration")
        default: return AWSCredentialsError(.denied, "\(problem); \(remedyIfDenied)")
        }
    }
}
