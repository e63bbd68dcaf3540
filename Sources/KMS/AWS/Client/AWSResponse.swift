import Cryptography
import Glibc
import HTTP
import HTTPTypes
import JSON

/// A response of AWS with any status. Scalars of the body stay in secret memory.
struct AWSResponse: Sendable {
    let status: Int
    let fields: HTTPFields
    /// The body, if it is a JSON object.
    let body: JSONValue?
    /// The bare error code of an error response. It is compared with known codes and never shown.
    let errorCode: String?
    /// The account in a GetCallerIdentity response, which is XML: twelve digits.
    let account: String?

    init(_ head: HTTPResponseHead, body: borrowing SecretBytes) {
        status = head.status.code
        fields = head.fields
        let json = try? JSONValue(parsing: body)
        self.body = json?.members == nil ? nil : json
        account =
            json == nil
            ? Self.elementText("Account", in: body).flatMap { AWSKMSResourceARN.isAccountID($0) ? $0 : nil }
            : nil
        guard head.status.kind != .successful else {
            errorCode = nil
            return
        }
        let qualifiedCode =
            head.fields[.amznErrorType] ?? self.body?["__type"]?.string ?? self.body?["code"]?.string
        errorCode = (qualifiedCode ?? Self.elementText("Code", in: body)).map(Self.bareCode)
    }

    var isSuccess: Bool { 200..<300 ~= status }

    /// Returns the text of the first XML element of that name, if it has at most 128 bytes.
    static func elementText(_ name: String, in body: borrowing SecretBytes) -> String? {
        body.withUnsafeBytes { bytes in
            let tag = Array("<\(name)>".utf8)
            guard let start = bytes.firstRange(of: tag)?.upperBound else { return nil }
            let text = bytes[start...].prefix(129).prefix { $0 != UInt8(ascii: "<") }
            return text.count > 128 ? nil : String(decoding: text, as: UTF8.self)
        }
    }

    /// Returns `NotFoundException` for `com.amazonaws.kms#NotFoundException:http://…`.
    private static func bareCode(_ text: String) -> String {
        let head = text.prefix { $0 != ":" }
        return String(head.lastIndex(of: "#").map { head[head.index(after: $0)...] } ?? head)
    }
}

extension AWSResponse {
    /// Describes an error response: subject, problem, remedy.
    func makeError(for request: AWSRequest, from client: AWSClient) -> AWSRequestError {
        guard let category else {
            return AWSRequestError(
                .misconfigured,
                "the server at \(client.address.url) is not AWS \(client.service.title) (HTTP \(status)); check "
                    + "\(client.endpointVariable)")
        }
        let operation = request.resource.map { "\(request.action) on \($0)" } ?? request.action
        let message: String =
            switch category {
            case .throttled:
                "\(client) throttles this account, whose callers share a quota of cryptographic operations; raise the "
                    + "quota in Service Quotas, or lower \(AWSSettings.maximumRateVariable)"
            case .outage: "\(client) failed (HTTP \(status)); the request will be retried"
            case .keyStoreOutage:
                "\(client) failed (HTTP \(status)), because the key store of the key does not serve \(operation); the request "
                    + "will be retried"
            case .invalidCredentials:
                "\(client) rejects the credentials for \(operation): they expired, were deleted, or belong to another "
                    + "partition; replace them"
            case .signatureMismatch:
                "\(client) rejects the signature of \(operation): the secret access key does not belong to the access "
                    + "key id, or a proxy changes requests; check both"
            case .clockSkew:
                "\(client) rejects the date of \(operation): this machine's clock is wrong; set it (NTP)"
            case .accessDenied:
                "\(client) denies \(operation); allow it in the identity's policy or the key's policy, for this "
                    + "encryption context if they have conditions on it"
            case .keyNotFound:
                "\(client) cannot find the key for \(operation): it was deleted, or is in another account or Region"
            case .keyDisabled: "\(client) rejects \(operation): the key is disabled; enable it"
            case .invalidKeyState:
                "\(client) rejects \(operation): the key is pending deletion, or has no key material yet; cancel the "
                    + "deletion (aws kms cancel-key-deletion, then enable-key)"
            case .invalidKeyUsage:
                "\(client) rejects \(operation): the key has another usage or spec; use a symmetric key "
                    + "(SYMMETRIC_DEFAULT), or one of RSA_3072 or RSA_4096, with the usage ENCRYPT_DECRYPT"
            case .unsupportedOperation:
                "\(client) rejects \(operation): keys of this type do not allow it"
            case .invalidCiphertext:
                "AWS KMS rejects the wrapped key for \(operation): it was changed, wrapped by another key, or wrapped for "
                    + "another namespace, name or scope"
            case .incorrectKey:
                "AWS KMS rejects the wrapped key for \(operation): another key wrapped it than its keyID says"
            case .unknown:
                "\(client) rejects \(operation) (HTTP \(status)) with an error code that this version does not know; see "
                    + "CloudTrail"
            }
        return AWSRequestError(
            .errorResponse(category), message,
            retryAfter: fields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) })
    }

    /// The category of an error response. It is nil if the response is not from AWS.
    private var category: AWSErrorCategory? {
        if errorCode == nil, body == nil, status < 500, status != 429 { return nil }
        return AWSErrorCategory(name: errorCode, status: status)
    }
}

extension AWSClient {
    /// The variable that sets this service's URL.
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
        let remedy: String? =
            switch error.code {
            case .certificateUntrusted, .caInvalid: "AWS_CA_BUNDLE names the CA's PEM file"
            case .nameNotResolved, .connectFailed, .connectTimedOut, .timedOut:
                "check the Region, the route to AWS (NAT or VPC endpoint), and \(client.endpointVariable) if it is set"
            default: nil
            }
        self.init(code, "\(client): request failed: \(error)" + (remedy.map { "; \($0)" } ?? ""))
    }
}
