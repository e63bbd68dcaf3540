import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import JSON
import Settings
import System

/// Credentials of a role in IAM Identity Center, for the cached token of `aws sso login`. As in the SDKs, the token of an
/// `sso-session` is refreshed, and written back to the cache.
///
/// Source: IAM Identity Center Portal API Reference, "GetRoleCredentials"; OIDC API Reference, "CreateToken".
struct AWSSSOCredentials: AWSCredentialsSource {
    /// `profile dev: IAM Identity Center`
    let name: String
    let settings: AWSSSOSettings
    /// The path of the cached token. It is nil if HOME is not set.
    let tokenFile: String?
    let client: AWSCredentialsClient
    /// `https://portal.sso.eu-west-1.amazonaws.com`
    let portalURL: String
    /// `https://oidc.eu-west-1.amazonaws.com`
    let oidcURL: String
    let date: @Sendable () -> Date

    /// A token is refreshed in its last 15 minutes.
    private static let refreshMargin = 15 * 60.0

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        guard let tokenFile, let token = AWSSSOToken(contentsOf: tokenFile) else {
            throw loginRequired("there is no cached sign-in")
        }
        let remaining = token.expiration.timeIntervalSince(date())
        if settings.session != nil, remaining < Self.refreshMargin,
            let fresh = try await refreshed(token, tokenFile, isStillValid: remaining > 0)
        {
            return try await roleCredentials(fresh)
        }
        guard remaining > 0 else { throw loginRequired("the sign-in has expired") }
        return try await roleCredentials(token.accessToken)
    }

    private func roleCredentials(_ token: SharedSecret) async throws(AWSCredentialsError) -> AWSCredentials {
        let query =
            "account_id=\(percentEncoded(settings.account))&role_name=\(percentEncoded(settings.role))"
        let (head, body) = try await client.send(
            HTTPClientRequest(
                url: "\(portalURL)/federation/credentials?\(query)", fields: [.accept: "application/json"],
                secretFields: [.init(name: .ssoBearer, value: token)]))
        guard head.status.code == 200 else {
            guard !Self.isHTML(body) else {
                throw AWSCredentialsError(
                    AWSCredentialsClient.isTransient(head.status.code) ? .unavailable : .misconfigured,
                    "\(name): a proxy or firewall responds instead of IAM Identity Center (HTTP \(head.status.code)); "
                        + "check HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_SSO")
            }
            throw errorResponse(head.status.code)
        }
        let root = Self.object(body)?["roleCredentials"]
        guard let id = root?["accessKeyId"]?.nonEmptySecret,
            let secret = root?["secretAccessKey"]?.nonEmptySecret,
            let session = root?["sessionToken"]?.nonEmptySecret, let end = root?["expiration"]?.int,
            let credentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: session,
                expiration: Date(timeIntervalSince1970: Double(end) / 1000))
        else { throw AWSCredentialsError(.unavailable, "\(name): the response has no credentials") }
        return credentials
    }

    private func errorResponse(_ status: Int) -> AWSCredentialsError {
        if status == 401 { return loginRequired("the sign-in is rejected") }
        if AWSCredentialsClient.isTransient(status) {
            return AWSCredentialsError(.unavailable, "\(name): the portal responds with HTTP \(status)")
        }
        return AWSCredentialsError(
            .denied,
            "\(name): the portal denies role \(settings.role.sanitizedName) of account \(settings.account.sanitizedName) with HTTP \(status); check "
                + "that it is assigned to you")
    }

    /// Refreshes a token.
    ///
    /// - Parameter isStillValid: True if the old token is valid, so that a failure of the refresh is no error.
    /// - Returns: The new access token, or nil if the token cannot be refreshed.
    private func refreshed(
        _ token: AWSSSOToken, _ file: String, isStillValid: Bool
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
            if isStillValid { return nil }
            throw error
        }
        if AWSCredentialsClient.isTransient(response.head.status.code), !isStillValid {
            throw AWSCredentialsError(
                .unavailable,
                "\(name): the sign-in could not be refreshed: HTTP \(response.head.status.code); it will be retried"
            )
        }
        let root = Self.object(response.body)
        guard response.head.status.code == 200, let bearer = root?["accessToken"]?.nonEmptySecret,
            let access = HeaderValue.visibleASCII(bearer.bytes), let text = SecretText(access),
            let seconds = root?["expiresIn"]?.int, 1...31_536_000 ~= seconds
        else { return nil }
        // A token that cannot be written to the cache is still used once.
        _ = place.commit(
            token.updatedFile(
                accessToken: text, expiration: date().addingTimeInterval(Double(seconds)),
                refreshToken: root?["refreshToken"]?.nonEmptySecret.flatMap { SecretText($0) }))
        return access
    }

    private func loginRequired(_ problem: String) -> AWSCredentialsError {
        AWSCredentialsError(
            .misconfigured,
            "\(name): \(problem); run: aws sso login --profile \(settings.profile.sanitizedName)")
    }

    /// Returns true for an HTML page, which only a proxy or firewall sends.
    private static func isHTML(_ body: SharedSecret) -> Bool {
        body.bytes.withUnsafeBytes { bytes in
            SettingText.trimmed(bytes) { $0.first == UInt8(ascii: "<") }
        }
    }

    private static func object(_ body: SharedSecret) -> JSONValue? { try? JSONValue(parsing: body.bytes) }
}

/// The settings of a profile that uses IAM Identity Center.
///
/// Source: AWS SDKs and Tools Reference Guide, "IAM Identity Center credential provider".
struct AWSSSOSettings: Equatable, Sendable {
    /// The name for `aws sso login --profile …`.
    let profile: String
    /// The name of the `[sso-session …]`. Without one, the profile has all settings, and tokens are not refreshed.
    let session: String?
    let startURL: String
    /// The Region of IAM Identity Center.
    let region: String
    let account: String
    let role: String

    /// Returns nil if the profile does not use IAM Identity Center.
    ///
    /// - Throws: `AWSCredentialsError` if a setting is missing, or differs between the profile and its session.
    init?(_ profile: AWSProfile, _ profiles: AWSProfiles) throws(AWSCredentialsError) {
        func misconfigured(_ problem: String) -> AWSCredentialsError {
            AWSCredentialsError(.misconfigured, "profile \(profile.name.sanitizedName): \(problem)")
        }
        guard profile.value("sso_account_id") != nil || profile.value("sso_role_name") != nil else {
            return nil
        }
        let session = profile.value("sso_session")
        var section: AWSProfile?
        if let session {
            section = try profiles.ssoSession(session)
            guard section != nil else {
                throw misconfigured("there is no [sso-session \(session.sanitizedName)]")
            }
        }
        func setting(_ key: String) throws(AWSCredentialsError) -> String {
            let inProfile = profile.value(key)
            let inSession = section?.value(key)
            if let inProfile, let inSession, inProfile != inSession {
                throw misconfigured(
                    "\(key) differs from [sso-session \((session ?? "").sanitizedName)]; remove one of them")
            }
            guard let value = inProfile ?? inSession else {
                throw misconfigured("\(key) is not set, which IAM Identity Center needs")
            }
            return value
        }
        self.profile = profile.name
        self.session = session
        startURL = try setting("sso_start_url")
        region = try setting("sso_region")
        account = try setting("sso_account_id")
        role = try setting("sso_role_name")
    }
}
