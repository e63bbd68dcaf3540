import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes

/// Signs requests to one service in one Region with Signature Version 4. Pure: the date comes in, and nothing is
/// kept. A repeated request is signed anew, since a signature holds for five minutes.
struct SigV4Signer: Sendable {
    let region: String
    /// As signatures name it: `kms`, `sts`.
    let service: String

    /// The same request with its date, the session token where there is one, and the signature over all of its
    /// headers and its body. Earlier signatures are replaced.
    ///
    /// Nothing may change the request after that. libcurl adds `User-Agent`, `Accept` and what belongs to the
    /// connection, none of which is signed.
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

/// The parts of an absolute URL that are signed.
private struct Target {
    /// As libcurl writes it into `Host`: with the port where that is not the scheme's own.
    let host: String
    let path: Substring
    let query: Substring

    init(_ url: String) {
        let scheme = url.prefix { $0 != ":" }
        let rest = url.dropFirst(scheme.count).drop { $0 == ":" || $0 == "/" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let ownPort = scheme.lowercased() == "http" ? ":80" : ":443"
        host = String(authority.hasSuffix(ownPort) ? authority.dropLast(ownPort.count) : authority)
        let target = rest.dropFirst(authority.count).prefix { $0 != "#" }
        path = target.prefix { $0 != "?" }
        query = target.dropFirst(path.count).dropFirst()
    }
}

extension HTTPField.Name {
    static let amzDate = literal("X-Amz-Date")
    static let amzSecurityToken = literal("X-Amz-Security-Token")
    static let amzTarget = literal("X-Amz-Target")
    static let amznErrorType = literal("x-amzn-ErrorType")

    private static func literal(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field name") }
        return name
    }
}
