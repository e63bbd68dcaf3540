import Cryptography
import FoundationEssentials
import HTTP
import System

/// `auth-provider: {name: oidc}` of a kubeconfig's user: an id-token that is sent while it is valid, and a refresh-token
/// that gets the next one. What client-go's plugin does, except that nothing is written: a refreshed token is kept in
/// memory alone.
///
/// Source: client-go, plugin/pkg/client/auth/oidc.
struct OIDCProvider: Sendable {
    let issuer: String
    let clientID: String
    let clientSecret: SharedSecret?
    let idToken: SharedSecret?
    let refreshToken: SharedSecret?
    /// PEM; nil: the system's CAs.
    let authorities: [UInt8]?
    /// For errors: `FILE: users["a"].user.auth-provider`.
    let fieldPath: String
    private let environment: [String: String]

    /// From `users[...].user.auth-provider`.
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
        let remedy =
            switch name {
            case "gcp":
                "is gcp, which kubectl 1.26 removed; use the exec plugin gke-gcloud-auth-plugin "
                    + "(gcloud container clusters get-credentials writes it into the kubeconfig)"
            case "azure":
                "is azure, which kubectl 1.26 removed; use the exec plugin kubelogin "
                    + "(kubelogin convert-kubeconfig writes it into the kubeconfig)"
            default: "is \(name), which is not supported; oidc is, and so is every exec plugin"
            }
        return fields.error(.unsupported, "name", remedy)
    }

    /// The path is not resolved against the kubeconfig's folder: client-go does not, either.
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
        let name = config.contentName(field)
        var pool = CertificatePool()
        guard pool.add(content.bytes, from: config.location(name)) > 0 else {
            throw pool.warnings.first.map { ConfigurationError(.invalid, $0) }
                ?? config.error(
                    .invalid, name, "holds no PEM certificate; expected -----BEGIN CERTIFICATE-----")
        }
        for warning in pool.warnings { Warnings.report(warning) }
        return pool.pem
    }

    func credentials(now: @escaping @Sendable () -> Date = { Date() }) throws(ConfigurationError)
        -> any CredentialSource
    {
        let issued = try idToken.map { token throws(ConfigurationError) in
            try self.issued(token, "id-token")
        }
        let client = CurlClient(
            HTTPClientConfiguration(
                trust: authorities.map { .pem($0) } ?? .system, plainHTTP: .loopbackOnly,
                connectTimeout: .seconds(10), maximumResponseBody: OIDCTokenRefresher.maximumResponseSize),
            environment: environment)
        let refresh = OIDCTokenRefresher(self, transport: client)
        return RenewableCredential(
            from: "an identity provider", issued: issued, isRenewedWhenRefused: false, now: now
        ) { () async throws(ConfigurationError) in
            try await refresh.refresh()
        }
    }

    /// `name` of the token, for errors.
    func issued(_ token: SharedSecret, _ name: String) throws(ConfigurationError)
        -> RenewableCredential.Issued
    {
        guard let header = AuthorizationHeader.bearer(token.bytes),
            let expiration = JSONWebToken.expiration(of: token.bytes)
        else { throw error("the \(name) is no JSON Web Token; log in again") }
        return .init(authorization: header, clientCertificate: nil, expiration: expiration)
    }

    func error(_ problem: String) -> ConfigurationError {
        ConfigurationError(.plugin, "\(fieldPath): \(problem)")
    }
}
