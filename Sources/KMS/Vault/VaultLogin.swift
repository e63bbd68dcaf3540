import Concurrency
import Cryptography
import Envelope
import JSON
import Settings
import System

/// A token from a login with Kubernetes, JWT or AppRole auth. It is renewed ahead of its end, and replaced by another login
/// where it cannot be renewed.
final class VaultLoginTokenSource: VaultTokenSource {
    private let tokens: Refreshing<SharedSecret, VaultError>

    init(
        _ method: VaultLoginMethod, mount: String, client: VaultClient,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        let login = VaultLogin(method: method, mount: mount, client: client)
        tokens = Refreshing(
            cancelled: VaultError(.cancelled, "cancelled while waiting for a Vault token"), now: now,
            renew: { token throws(VaultError) in
                let lease = try await VaultLease.renew(token, client)
                // A renewal that grants no time has reached the maximum age of the token.
                return Grant(token, lifetime: lease.duration ?? .zero, isRenewable: lease.isRenewable)
            },
            fetch: { () throws(VaultError) in
                let lease = try await login.send()
                return Grant(lease.token, lifetime: lease.duration, isRenewable: lease.isRenewable)
            })
    }

    func token() async throws(VaultError) -> VaultToken {
        let token = try await tokens.value()
        return VaultToken(value: token.value, generation: token.generation)
    }

    func recordDenial(_ token: VaultToken, at path: String) -> Bool {
        tokens.recordDenial(ofGeneration: token.generation, scope: path)
    }

    func recordSuccess(_ token: VaultToken, at path: String) {
        tokens.recordSuccess(ofGeneration: token.generation, scope: path)
    }

    func maintain() async { await tokens.maintain() }
}

/// The response to a login or a renewal.
struct VaultLease: Sendable {
    let token: SharedSecret
    /// Nil if the token does not expire. A renewal reports that for a token that is not prolonged.
    let duration: Duration?
    let isRenewable: Bool

    /// Short, as requests wait for a login or a renewal.
    static let timeout = Duration.seconds(5)

    /// Renews a token.
    ///
    /// - Throws: `.denied` or `.rejected` if the token is invalid or may not renew itself.
    static func renew(_ token: SharedSecret, _ client: VaultClient) async throws(VaultError) -> VaultLease {
        let request = VaultRequest(path: "auth/token/renew-self", body: [:], timeout: timeout)
        let response = try await client.sendExpectingSuccess(request, token: token)
        return try VaultLease(response, to: request, at: client.endpoint)
    }

    /// - Throws: `.serverError` if the response has no lease.
    init(_ response: VaultResponse, to request: VaultRequest, at endpoint: VaultEndpoint) throws(VaultError) {
        // A lifetime of at most a hundred years can be added to any instant.
        guard let auth = response.body?["auth"], let text = auth["client_token"]?.nonEmptySecret,
            let token = HeaderValue.visibleASCII(text.bytes), let seconds = auth["lease_duration"]?.int,
            0...3_153_600_000 ~= seconds
        else {
            throw VaultError(
                .serverError, "\(endpoint) responds to \(request.path) without a token; is it Vault?")
        }
        self.token = token
        duration = seconds == 0 ? nil : .seconds(seconds)
        isRenewable = auth["renewable"]?.bool == true && auth["token_type"]?.string != "batch"
    }
}

/// Logs in to an auth method.
struct VaultLogin: Sendable {
    let method: VaultLoginMethod
    let mount: String
    let client: VaultClient

    func send() async throws(VaultError) -> VaultLease {
        let identityToken = try await identityToken()
        let request = VaultRequest(
            path: "auth/\(mount)/login", body: try body(identityToken), timeout: VaultLease.timeout)
        let response = try await client.send(request, token: nil)
        guard response.isSuccess else {
            throw error(response, request, identityToken.flatMap { JWTClaims($0) })
        }
        return try VaultLease(response, to: request, at: client.endpoint)
    }

    private func identityToken() async throws(VaultError) -> SharedSecret? {
        guard let source = method.identityTokenSource else { return nil }
        do throws(IdentityTokenError) {
            return try await source.token()
        } catch {
            throw VaultError(error)
        }
    }

    private func body(_ identityToken: SharedSecret?) throws(VaultError) -> JSONValue {
        if let identityToken {
            let jwt = try json(identityToken, "the token for the login is not text")
            return method.role.map { ["role": .string($0), "jwt": jwt] } ?? ["jwt": jwt]
        }
        switch method {
        case .kubernetes, .jwt: return [:]
        case .appRole(let roleID, nil):
            return ["role_id": .string(roleID)]
        case .appRole(let roleID, .value(let secretID)):
            return [
                "role_id": .string(roleID),
                "secret_id": try json(secretID, "\(VaultVariables.secretID) is not UTF-8 text"),
            ]
        case .appRole(let roleID, .file(let file)):
            let secretID = try VaultSecretFile.read(
                file, purpose: "the AppRole's secret id", variable: VaultVariables.secretID + "_FILE")
            return [
                "role_id": .string(roleID),
                "secret_id": try json(secretID, "\(file) does not hold the AppRole's secret id"),
            ]
        }
    }

    private func json(_ secret: SharedSecret, _ problem: String) throws(VaultError) -> JSONValue {
        guard let text = SecretText(secret) else { throw VaultError(.misconfigured, problem) }
        return .secret(text)
    }

    /// - Parameter claims: The claims of the token that was sent, if it can be read.
    private func error(
        _ response: VaultResponse, _ request: VaultRequest, _ claims: JWTClaims?
    ) -> VaultError {
        let rejection = VaultLoginRejection(response.errorText)
        let endpoint = client.endpoint
        switch response.status {
        case 400 where response.isFromVault, 403 where response.isFromVault,
            500 where rejection == .notConfigured:
            return VaultError(
                .loginRejected,
                "\(endpoint) refuses the login at auth/\(mount): "
                    + rejection.remedy(for: method, mount: mount, claims))
        case 404 where response.isFromVault:
            return VaultError(
                .loginRejected,
                "\(endpoint) has no auth method at auth/\(mount); enable it, or set "
                    + VaultVariables.authenticationMount)
        default: return response.error(for: request.path, at: endpoint)
        }
    }
}
