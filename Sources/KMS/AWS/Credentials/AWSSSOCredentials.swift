import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import YAML

/// Credentials of a role in IAM Identity Center, for the sign-in that `aws sso login` left behind. A sign-in
/// of an `sso-session` is refreshed as the SDKs do, and kept where they look for it.
///
/// Source: IAM Identity Center Portal API Reference, "GetRoleCredentials"; OIDC API Reference, "CreateToken".
struct AWSSSOCredentials: AWSCredentialsSource {
    /// `profile dev: IAM Identity Center`
    let name: String
    let settings: AWSSSOSettings
    /// The token's file; nil: there is no place for it.
    let tokenFile: String?
    let client: AWSCredentialsClient
    /// `https://portal.sso.eu-west-1.amazonaws.com`
    let portalURL: String
    /// `https://oidc.eu-west-1.amazonaws.com`
    let oidcURL: String
    let date: @Sendable () -> Date

    /// How long before its end a sign-in is refreshed.
    private static let refreshesBefore = 15 * 60.0

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        guard let tokenFile, let token = AWSSSOToken(contentsOf: tokenFile) else {
            throw signIn("there is no sign-in")
        }
        let remaining = token.expiration.timeIntervalSince(date())
        if settings.session != nil, remaining < Self.refreshesBefore,
            let fresh = try await refreshed(token, tokenFile, mayWait: remaining > 0)
        {
            return try await roleCredentials(fresh)
        }
        guard remaining > 0 else { throw signIn("the sign-in has ended") }
        return try await roleCredentials(token.accessToken)
    }

    private func roleCredentials(_ token: SharedSecret) async throws(AWSCredentialsError) -> AWSCredentials {
        let query =
            "account_id=\(SigV4URI.encode(settings.account.utf8))&role_name=\(SigV4URI.encode(settings.role.utf8))"
        let (head, body) = try await client.send(
            HTTPClientRequest(
                url: "\(portalURL)/federation/credentials?\(query)", fields: [.accept: "application/json"],
                secretFields: [.init(name: .signOnBearer, value: token)]))
        guard head.status.code == 200 else {
            guard !Self.isPage(body) else {
                throw AWSCredentialsError(
                    AWSCredentialsClient.isTransient(head.status.code) ? .unavailable : .misconfigured,
                    "\(name): what answers is not IAM Identity Center (HTTP \(head.status.code)), but a proxy or a firewall; "
                        + "check HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_SSO")
            }
            throw refusal(head.status.code)
        }
        let root = Self.object(body)?["roleCredentials"]
        guard let id = root?["accessKeyId"]?.nonEmptySecret,
            let secret = root?["secretAccessKey"]?.nonEmptySecret,
            let session = root?["sessionToken"]?.nonEmptySecret, let end = root?["expiration"]?.int,
            let credentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: session,
                expiration: Date(timeIntervalSince1970: Double(end) / 1000))
        else { throw AWSCredentialsError(.unavailable, "\(name): the answer holds no credentials") }
        return credentials
    }

    private func refusal(_ status: Int) -> AWSCredentialsError {
        if status == 401 { return signIn("the sign-in is not accepted") }
        if AWSCredentialsClient.isTransient(status) {
            return AWSCredentialsError(.unavailable, "\(name): the portal answers with HTTP \(status)")
        }
        return AWSCredentialsError(
            .denied,
            "\(name): the portal refuses role \(settings.role.sanitizedName) of account \(settings.account.sanitizedName) with HTTP \(status); check "
                + "that it is assigned to you")
    }

    /// nil: it cannot be refreshed. `mayWait`: it still serves, so that a failure is none.
    private func refreshed(
        _ token: AWSSSOToken, _ file: String, mayWait: Bool
    ) async throws(AWSCredentialsError) -> SharedSecret? {
        guard let renewal = token.refreshGrant, renewal.registrationExpiration > date(),
            let place = AWSSSOTokenWriter(for: file)
        else { return nil }
        let body: JSONValue = [
            "clientId": .secret(renewal.clientID), "clientSecret": .secret(renewal.clientSecret),
            "grantType": "refresh_token", "refreshToken": .secret(renewal.refreshToken),
        ]
        let response: AWSCredentialsClient.Response
        do throws(AWSCredentialsError) {
            response = try await client.send(
                HTTPClientRequest(
                    method: .post, url: "\(oidcURL)/token", fields: [.contentType: "application/json"],
                    body: .secret(SharedSecret(JSONWriter.write([body])))))
        } catch {
            if mayWait { return nil }
            throw error
        }
        if AWSCredentialsClient.isTransient(response.head.status.code), !mayWait {
            throw AWSCredentialsError(
                .unavailable, "\(name): refreshing the sign-in: HTTP \(response.head.status.code)")
        }
        let root = Self.object(response.body)
        guard response.head.status.code == 200, let bearer = root?["accessToken"]?.nonEmptySecret,
            let access = HeaderValue.visibleASCII(bearer.bytes), let text = SecretText(access),
            let seconds = root?["expiresIn"]?.int, 1...31_536_000 ~= seconds
        else { return nil }
        // What cannot be kept still serves this once.
        _ = place.commit(
            token.updatedFile(
                accessToken: text, expiration: date().addingTimeInterval(Double(seconds)),
                refreshToken: root?["refreshToken"]?.nonEmptySecret.flatMap { SecretText($0) }))
        return access
    }

    private func signIn(_ why: String) -> AWSCredentialsError {
        AWSCredentialsError(
            .misconfigured, "\(name): \(why); run: aws sso login --profile \(settings.profile.sanitizedName)")
    }

    /// Whether something in front of AWS answered with a page for people.
    private static func isPage(_ body: SharedSecret) -> Bool {
        body.bytes.withUnsafeBytes { bytes in
            SettingText.trimmed(bytes) { $0.first == UInt8(ascii: "<") }
        }
    }

    private static func object(_ body: SharedSecret) -> YAMLNode? {
        guard body.bytes.withUnsafeBytes({ $0.first == UInt8(ascii: "{") }) else { return nil }
        return try? YAMLReader.documents(in: body.bytes, source: "IAM Identity Center").first
    }
}

extension HTTPField.Name {
    fileprivate static let signOnBearer = literal("x-amz-sso_bearer_token")

    private static func literal(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field name") }
        return name
    }
}
