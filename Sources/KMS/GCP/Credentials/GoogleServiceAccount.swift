import Cryptography
import FoundationEssentials
import HTTP
import JSON
import System

/// The key file of a service account. Its private key signs an assertion, for which the token endpoint issues a token (RFC
/// 7523). Other universes have no token endpoint: there the assertion itself is the token.
///
/// Source: "Using OAuth 2.0 for Server to Server Applications"; google-auth 2.62 (`google.oauth2.service_account`).
struct GoogleServiceAccount: CloudTokenSource {
    let name: String
    private let email: String
    private let keyID: String
    private let key: RSAPrivateKey
    private let scope: String
    private let endpoint: OAuthTokenEndpoint?
    private let clock: ClientClock

    /// The audience of assertions. It is the same at every token endpoint.
    private static let audience = "https://oauth2.googleapis.com/token"
    private static let lifetime = 3600

    init(
        _ file: GoogleCredentialsFile, _ context: GoogleCredentialsContext, scope: String
    ) throws(CloudError) {
        name = file.name
        email = try file.requireText("client_email")
        keyID = try file.requireText("private_key_id")
        self.scope = scope
        clock = context.clock
        let pem = try file.requireSecret("private_key")
        do throws(RSAPrivateKey.ReadingError) {
            key = try RSAPrivateKey(pem: pem.bytes)
        } catch {
            throw file.error("has a private_key that is not an unencrypted RSA key in PEM")
        }
        endpoint =
            context.universe == .standard
            ? OAuthTokenEndpoint(
                client: context.client(file.name),
                url: file.text("token_uri") == nil
                    ? try .google(Self.audience) : try file.requireURL("token_uri"))
            : nil
    }

    func token() async throws(CloudError) -> CloudToken? {
        let now = Int(clock.date().timeIntervalSince1970)
        var claims: [(key: String, value: JSONValue)] = [
            ("iss", .string(email)), ("scope", .string(scope)), ("iat", .int(now)),
            ("exp", .int(now + Self.lifetime)),
        ]
        guard let endpoint else {
            claims.append(("sub", .string(email)))
            return CloudToken(value: try sign(claims), lifetime: .seconds(Self.lifetime))
        }
        claims.append(("aud", .string(Self.audience)))
        var form = FormBody()
        form.append("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        form.append("assertion", try sign(claims))
        return try await endpoint.token(form) { error in
            error.code == "invalid_grant"
                ? "the key or the service account was deleted or disabled, or this machine's clock is wrong"
                : nil
        }
    }

    private func sign(_ claims: [(key: String, value: JSONValue)]) throws(CloudError) -> SharedSecret {
        do throws(CryptoError) {
            return try JWTAssertion(header: [("kid", .string(keyID))], claims: claims).signed(with: key)
        } catch {
            throw CloudError(.unavailable, "\(name): the assertion cannot be signed: \(error)")
        }
    }
}

/// The user of `gcloud auth application-default login`: a refresh token (RFC 6749, section 6).
struct GoogleAuthorizedUser: CloudTokenSource {
    let name: String
    private let clientID: String
    private let clientSecret: SharedSecret
    private let refreshToken: SharedSecret
    private let endpoint: OAuthTokenEndpoint

    init(_ file: GoogleCredentialsFile, _ context: GoogleCredentialsContext) throws(CloudError) {
        name = file.name
        clientID = try file.requireText("client_id")
        clientSecret = try file.requireSecret("client_secret")
        refreshToken = try file.requireSecret("refresh_token")
        endpoint = OAuthTokenEndpoint(
            client: context.client(file.name),
            url: file.text("token_uri") == nil
                ? try .google("https://oauth2.\(context.universe.domain)/token")
                : try file.requireURL("token_uri"))
    }

    func token() async throws(CloudError) -> CloudToken? {
        var form = FormBody()
        form.append("grant_type", "refresh_token")
        form.append("client_id", clientID)
        form.append("client_secret", clientSecret)
        form.append("refresh_token", refreshToken)
        return try await endpoint.token(form) { error in
            error.code == "invalid_grant"
                ? "the login expired or was revoked; run gcloud auth application-default login" : nil
        }
    }
}

extension CloudURL {
    /// Returns a URL that this program composed.
    static func google(_ text: String) throws(CloudError) -> CloudURL {
        guard let url = CloudURL(text) else {
            throw CloudError(.misconfigured, "\(text.sanitizedName) is not an https URL")
        }
        return url
    }
}
