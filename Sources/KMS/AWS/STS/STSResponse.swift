import Cryptography
import FoundationEssentials
import Glibc
import HTTP
import HTTPTypes

/// What STS answered, in secret memory.
struct STSResponse: Sendable {
    private let status: Int
    private let retryAfter: Duration?
    private let date: String?
    /// nil: no answer of STS.
    private let xml: FlatXML?
    private let action: String
    private let source: String

    /// Where an error's name is; what stands in front of STS has another form.
    static let errorCodePaths = ["ErrorResponse/Error/Code", "ErrorResponse/Errors/Error/Code"]

    init(_ response: AWSCredentialsClient.Response, _ action: String, _ source: String) {
        status = response.head.status.code
        retryAfter = response.head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: time(nil)) }
        date = response.head.fields[.date]
        xml = FlatXML(response.body.bytes)
        self.action = action
        self.source = source
    }

    /// Whatever the status: STS throttles with 400.
    static func isTransient(_ code: String) -> Bool {
        [.throttled, .outage].contains(AWSErrorCategory(name: code, status: 0))
            || code == "IDPCommunicationError"
    }

    static func errorCode(in xml: FlatXML) -> String? {
        errorCodePaths.compactMap { xml.string($0) }.first.flatMap { AWSErrorCode($0)?.text }
    }

    /// Whether the request was refused for its time, and `skew` is another one now.
    func updateClockSkew(_ skew: inout AWSClockSkew, now: Date) -> Bool {
        guard status >= 400, let code = xml.flatMap({ Self.errorCode(in: $0) }) else { return false }
        return skew.update(from: AWSErrorCategory(name: code, status: status), date: date, now: now)
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
        guard let code = xml.flatMap({ Self.errorCode(in: $0) }) else {
            let isOutage = AWSCredentialsClient.isTransient(status)
            return AWSCredentialsError(
                isOutage ? .unavailable : .misconfigured,
                "\(source): \(action) was answered with HTTP \(status) and not by STS"
                    + (isOutage ? "" : "; check the proxy and AWS_ENDPOINT_URL_STS"), retryAfter: retryAfter)
        }
        let said = "\(source): STS refuses \(role.arn) with \(code)"
        if AWSCredentialsClient.isTransient(status) || Self.isTransient(code) {
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
