import Glibc
import HTTP
import HTTPTypes

extension AWSResponse {
    /// What an answer other than 2xx means.
    func makeError(_ call: AWSRequest, at client: AWSClient) -> AWSRequestError {
        guard let kind else {
            return AWSRequestError(
                .misconfigured,
                "what answers at \(client.address.url) is not AWS \(client.service.title) (HTTP \(status)); check "
                    + "\(client.endpointVariable)")
        }
        let what = call.resource.map { "\(call.action) on \($0)" } ?? call.action
        let message: String =
            switch kind {
            case .throttled:
                "\(client) throttles this account: everyone in it shares the quota of cryptographic operations; raise "
                    + "it in Service Quotas, or lower \(AWSSettings.maximumRateVariable)"
            case .outage: "\(client) failed (HTTP \(status)); it is tried again"
            case .invalidCredentials:
                "\(client) does not take the credentials for \(what): they have ended, were deleted, or belong to "
                    + "another partition"
            case .signatureMismatch:
                "\(client) computes another signature for \(what): the secret access key does not belong to the "
                    + "access key id, or a proxy changes requests"
            case .clockSkew:
                "\(client) refuses the time of \(what): this machine's clock is wrong; set it (NTP)"
            case .accessDenied:
                "\(client) denies \(what): the identity's policy or the key's must allow it, for this encryption "
                    + "context where they have conditions on it"
            case .keyNotFound:
                "\(client) has no such key for \(what): it was deleted, or is in another account or Region"
            case .keyDisabled: "\(client) refuses \(what): the key is disabled; enable it"
            case .invalidKeyState:
                "\(client) refuses \(what): the key is pending deletion, or waits for its key material; cancel the "
                    + "deletion (aws kms cancel-key-deletion, then enable-key)"
            case .invalidKeyUsage:
                "\(client) refuses \(what): the key is not made for it; a symmetric key (SYMMETRIC_DEFAULT, "
                    + "ENCRYPT_DECRYPT) is needed"
            case .invalidCiphertext:
                "AWS KMS refuses the wrapped key for \(what): it was changed, wrapped by another key, or made for "
                    + "another namespace, name or scope"
            case .incorrectKey:
                "AWS KMS refuses the wrapped key for \(what): another key wrapped it than its keyID says"
            case .unknown:
                "\(client) refuses \(what) (HTTP \(status)) for a reason that this version does not know; CloudTrail "
                    + "has it"
            }
        return AWSRequestError(
            .errorResponse(kind), message,
            retryAfter: fields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) })
    }

    /// nil: not an answer of AWS.
    private var kind: AWSErrorCategory? {
        if errorCode == nil, body == nil, status < 500, status != 429 { return nil }
        return AWSErrorCategory(name: errorCode, status: status)
    }
}

extension AWSClient {
    /// Which setting leads here.
    var endpointVariable: String {
        service == .kms
            ? AWSEndpoints.kmsEndpointVariable : "AWS_ENDPOINT_URL_\(service.settingName.uppercased())"
    }
}

extension AWSRequestError {
    init(_ error: HTTPError, _ client: AWSClient) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case _ where error.isRetryable: .unreachable
            case .protocolError, .responseTooLarge: .malformedResponse
            default: .misconfigured
            }
        let advice: String? =
            switch error.code {
            case .certificateUntrusted, .caInvalid: "AWS_CA_BUNDLE names the CA's PEM file"
            case .nameNotResolved, .connectFailed, .connectTimedOut, .timedOut:
                "check the Region, the way to AWS (NAT or VPC endpoint), and \(client.endpointVariable) if it is set"
            default: nil
            }
        self.init(code, "\(client) cannot be asked: \(error)" + (advice.map { "; \($0)" } ?? ""))
    }
}
