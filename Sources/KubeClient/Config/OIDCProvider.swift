import Cryptography
import FoundationEssentials
import HTTP
import JSON
import System

/// `auth-provider: {name: oidc}` of a kubeconfig's user: an id-token that is sent while it is valid, and a refresh-token
/// that obtains the next one. Works as client-go's plugin does, except that a refreshed token is kept only in memory.
///
/// Source: client-go, plugin/pkg/client/auth/oidc.
struct OIDCProvider: Sendable {
    let issuer: String
    let clientID: String
    let clientSecret: SharedSecret?
    let idToken: SharedSecret?
    let refreshToken: SharedSecret?
    /// The CA certificates of the issuer as PEM, or nil for the system's.
    let authorities: [UInt8]?
    /// The location of the configuration, for errors: `FILE: users["a"].user.auth-provider`.
    let fieldPath: String
    private let environment: [String: String]

    /// Reads `users[...].user.auth-provider`.
    init(_ fields: KubeconfigFields, environment: [String: String]) throws(ConfigurationError) {
        let name = try fields.required("name")
        guard name == "oidc" else { throw Self.unsupported(name, fields) }
        let empty = KubeconfigFields(
            node: fields.node, file: fields.file, path: fields.qualifiedName("config"))
        guard let config = try fields.mapping("config") else {
            throw empty.error(.invalid, "idp-issuer-url", "is missing; add it")
        }
        issuer = try config.required("idp-issuer-url")
        clientID = try config.required("client-id")
        clientSecret = try config.secret("client-secret")
        idToken = try config.secret("id-token")
        refreshToken = try config.secret("refresh-token")
        authorities = try Self.authorities(config)
        fieldPath = "\(fields.file): \(fields.path)"
        self.environment = environment
    }

    private static func unsupported(_ name: String, _ fields: KubeconfigFields) -> ConfigurationError {
        let problem =
            switch name {
            case "gcp":
                "is gcp, which kubectl 1.26 removed; use the exec plugin gke-gcloud-auth-plugin "
                    + "(gcloud container clusters get-credentials writes it into the kubeconfig)"
            case "azure":
                "is azure, which kubectl 1.26 removed; use the exec plugin kubelogin "
                    + "(kubelogin convert-kubeconfig writes it into the kubeconfig)"
            default: "is \(name), which is not supported; use oidc or an exec plugin"
            }
        return fields.error(.unsupported, "name", problem)
    }

    /// Reads the CA certificates. As in client-go, a relative path is not resolved against the kubeconfig's folder.
    private static func authorities(_ config: KubeconfigFields) throws(ConfigurationError) -> [UInt8]? {
        let field = "idp-certificate-authority"
        var content = try config.data("\(field)-data")
        if content == nil, let path = try config.string(field) {
            content = SharedSecret(
                try CredentialFile.read(
                    path, for: "\(config.qualifiedName(field)) of \(config.file)",
                    setting: .init(text: path, inline: "\(field)-data")))
        }
        guard let content else { return nil }
        let pool = try config.certificates(in: content, of: field)
        for warning in pool.warnings { Warnings.report(warning) }
        return pool.pem
    }

    func credentials() throws(ConfigurationError) -> any CredentialSource {
        let issued = try idToken.map { token throws(ConfigurationError) in
            try self.issued(token, "id-token")
        }
        let client = CurlClient(
            HTTPClientConfiguration(
                trust: authorities.map { .pem($0) } ?? .system, plainHTTP: .loopbackOnly,
                connectTimeout: .seconds(10), maximumResponseBody: OIDCTokenRefresher.maximumResponseSize),
            environment: environment)
        let refresher = OIDCTokenRefresher(self, transport: client)
        return RenewableCredential(
            from: "an identity provider", issued: issued, isRenewedWhenRefused: false
        ) { () async throws(ConfigurationError) in
            try await refresher.refresh()
        }
    }

    /// - Parameter name: the name of the token, for errors.
    func issued(
        _ token: SharedSecret, _ name: String
    ) throws(ConfigurationError) -> RenewableCredential.Issued {
        guard let header = AuthorizationHeader.bearer(token.bytes),
            let expiration = JSONWebToken.expiration(of: token.bytes)
        else { throw error("the \(name) is not a JSON Web Token; log in again") }
        return .init(authorization: header, clientCertificate: nil, expiration: expiration)
    }

    func error(_ problem: String) -> ConfigurationError {
        ConfigurationError(.plugin, "\(fieldPath): \(problem)")
    }
}

/// JSON Web Tokens (RFC 7519) as far as their holder reads them. The API server verifies the signature.
enum JSONWebToken {
    /// Returns the claim `exp`, or 1970 if there is none, as in client-go. Returns nil if the text is not a token.
    static func expiration(of token: borrowing SecretBytes) -> Date? {
        let payload = token.withUnsafeBytes { bytes -> SharedSecret? in
            let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            return parts.count == 3 ? decoded(UnsafeRawBufferPointer(rebasing: parts[1])) : nil
        }
        guard let payload, let claims = try? JSONValue(parsing: payload.bytes), claims.members != nil else {
            return nil
        }
        guard let claim = claims["exp"], !claim.isNull else { return Date(timeIntervalSince1970: 0) }
        return claim.double.map { Date(timeIntervalSince1970: $0) }
    }

    /// Decodes base64url without padding (RFC 7515, 2).
    private static func decoded(_ text: UnsafeRawBufferPointer) -> SharedSecret? {
        var standard = SecretBuffer(capacity: text.count + 3)
        for byte in text {
            switch byte {
            case UInt8(ascii: "-"): standard.append("+")
            case UInt8(ascii: "_"): standard.append("/")
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
            default: standard.append(byte)
            }
        }
        while !standard.count.isMultiple(of: 4) { standard.append("=") }
        return try? SharedSecret(Base64.decodeSecret(standard.finish(), skipping: Base64.lineBreaks))
    }
}
