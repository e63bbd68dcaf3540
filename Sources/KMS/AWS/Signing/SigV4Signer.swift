import Cryptography
import FoundationEssentials
import Glibc
import HTTP
import HTTPTypes

/// Signs requests to one service in one Region with Signature Version 4. Each attempt needs its own signature, which is
/// valid for five minutes.
struct SigV4Signer: Sendable {
    let region: String
    /// The service's name in signatures: `kms`, `sts`.
    let service: String

    /// Returns the request with its date, the session token and a signature of its headers and body, which replace those of
    /// an earlier signature.
    ///
    /// The request must not be changed afterwards. The headers that libcurl adds (`User-Agent`, `Accept`, those of the
    /// connection) are not signed.
    func sign(
        _ request: HTTPClientRequest, with credentials: AWSCredentials, at date: Date
    ) throws(CryptoError) -> HTTPClientRequest {
        let scope = SigV4Scope(date: date, region: region, service: service)
        var request = request
        request.fields[.authorization] = nil
        request.fields[.amzSecurityToken] = nil
        request.fields[.amzDate] = scope.timestamp
        request.secretFields.removeAll { $0.name == .authorization || $0.name == .amzSecurityToken }
        if let token = credentials.sessionToken {
            request.secretFields.append(.init(name: .amzSecurityToken, value: token))
        }
        let target = Target(request.url)
        let canonical = SigV4CanonicalRequest(
            method: request.method.rawValue, path: target.path, query: target.query,
            headers: Self.headers(of: request, host: target.host),
            payloadHash: hex(try Self.hash(of: request.body)))
        let signature = try scope.signature(
            of: scope.stringToSign(canonical), secretAccessKey: credentials.secretAccessKey)
        let authorization =
            "\(SigV4Scope.algorithm) Credential=\(credentials.accessKeyID)/\(scope.text), "
            + "SignedHeaders=\(canonical.signedHeaders), Signature=\(signature)"
        request.secretFields.append(
            .init(name: .authorization, value: SharedSecret(copying: authorization.utf8)))
        return request
    }

    private static func headers(of request: HTTPClientRequest, host: String) -> [SigV4Header] {
        var headers = request.fields.map { SigV4Header($0.name.canonicalName, $0.value) }
        headers += request.secretFields.map { SigV4Header($0.name.canonicalName, $0.value) }
        if !headers.contains(where: { $0.name == "host" }) { headers.append(SigV4Header("host", host)) }
        return headers
    }

    private static func hash(of body: HTTPClientRequest.Body) throws(CryptoError) -> [UInt8] {
        switch body {
        case .none: try sha256([])
        case .bytes(let bytes): try sha256(bytes)
        case .secret(let secret):
            try secret.bytes.withUnsafeBytes { bytes throws(CryptoError) in try sha256(bytes) }
        }
    }
}

/// The signed parts of an absolute URL.
private struct Target {
    /// The `Host` header that libcurl sends: with the port unless it is the scheme's default.
    let host: String
    let path: Substring
    let query: Substring

    init(_ url: String) {
        let scheme = url.prefix { $0 != ":" }
        let rest = url.dropFirst(scheme.count).drop { $0 == ":" || $0 == "/" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let defaultPort = scheme.lowercased() == "http" ? ":80" : ":443"
        host = String(authority.hasSuffix(defaultPort) ? authority.dropLast(defaultPort.count) : authority)
        let target = rest.dropFirst(authority.count).prefix { $0 != "#" }
        path = target.prefix { $0 != "?" }
        query = target.dropFirst(path.count).dropFirst()
    }
}

/// The header fields of AWS's protocols.
extension HTTPField.Name {
    static let amzDate = constant("X-Amz-Date")
    static let amzSecurityToken = constant("X-Amz-Security-Token")
    static let amzTarget = constant("X-Amz-Target")
    static let amznErrorType = constant("x-amzn-ErrorType")
    static let ssoBearer = constant("x-amz-sso_bearer_token")
    static let metadataToken = constant("X-aws-ec2-metadata-token")
    static let metadataTokenLifetime = constant("X-aws-ec2-metadata-token-ttl-seconds")

    private static func constant(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is not a field name") }
        return name
    }
}

/// The date and the credential scope of a signature.
struct SigV4Scope: Sendable, Equatable {
    /// `20150830T123600Z`
    let timestamp: String
    let region: String
    let service: String

    static let algorithm = "AWS4-HMAC-SHA256"

    init(date: Date, region: String, service: String) {
        timestamp = Self.timestamp(date)
        self.region = region
        self.service = service
    }

    var day: String { String(timestamp.prefix(8)) }
    /// `20150830/us-east-1/kms/aws4_request`
    var text: String { "\(day)/\(region)/\(service)/aws4_request" }

    func stringToSign(_ request: SigV4CanonicalRequest) throws(CryptoError) -> String {
        let hash = try request.text.bytes.withUnsafeBytes { bytes throws(CryptoError) in try sha256(bytes) }
        return "\(Self.algorithm)\n\(timestamp)\n\(text)\n\(hex(hash))"
    }

    func signature(
        of stringToSign: String, secretAccessKey: SharedSecret
    ) throws(CryptoError) -> String {
        let key = try signingKey(secretAccessKey)
        return try hmacSHA256(Array(stringToSign.utf8), key: key).withUnsafeBytes { hex($0) }
    }

    /// Derives the key that signs requests of this day, Region and service.
    private func signingKey(_ secretAccessKey: SharedSecret) throws(CryptoError) -> SecretBytes {
        var first = SecretBuffer()
        first.append("AWS4")
        first.append(secretAccessKey.bytes)
        var key = first.finish()
        for part in [day, region, service, "aws4_request"] {
            key = try hmacSHA256(Array(part.utf8), key: key)
        }
        return key
    }

    /// Formats a date of the years 0 to 9999 in UTC.
    private static func timestamp(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int32, _ width: Int) -> String {
            let text = "\(value)"
            return String(repeating: "0", count: max(width - text.count, 0)) + text
        }
        let day = digits(parts.tm_year + 1900, 4) + digits(parts.tm_mon + 1, 2) + digits(parts.tm_mday, 2)
        return "\(day)T\(digits(parts.tm_hour, 2))\(digits(parts.tm_min, 2))\(digits(parts.tm_sec, 2))Z"
    }
}
