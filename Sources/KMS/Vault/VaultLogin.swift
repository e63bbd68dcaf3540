import Concurrency
import Cryptography
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
        let request = VaultRequest(
            path: "auth/\(mount)/login", body: try body(), timeout: VaultLease.timeout)
        let response = try await client.send(request, token: nil)
        guard response.isSuccess else { throw error(response, request) }
        return try VaultLease(response, to: request, at: client.endpoint)
    }

    private func body() throws(VaultError) -> JSONValue {
        switch method {
        case .kubernetes(let role, let file):
            return [
                "role": .string(role),
                "jwt": try secret(
                    file, "the service account's token", VaultVariables.serviceAccountTokenFile),
            ]
        case .jwt(let role, let file):
            let jwt = try secret(file, "the JWT for Vault", VaultVariables.jwtFile)
            return role.map { ["role": .string($0), "jwt": jwt] } ?? ["jwt": jwt]
        case .appRole(let roleID, nil):
            return ["role_id": .string(roleID)]
        case .appRole(let roleID, .value(let secretID)):
            guard let text = SecretText(secretID) else {
                throw VaultError(.misconfigured, "\(VaultVariables.secretID) is not UTF-8 text")
            }
            return ["role_id": .string(roleID), "secret_id": .secret(text)]
        case .appRole(let roleID, .file(let file)):
            return [
                "role_id": .string(roleID),
                "secret_id": try secret(file, "the AppRole's secret id", VaultVariables.secretID + "_FILE"),
            ]
        }
    }

    private func secret(
        _ file: String, _ purpose: String, _ variable: String
    ) throws(VaultError) -> JSONValue {
        let content = try VaultSecretFile.read(file, purpose: purpose, variable: variable)
        guard let text = SecretText(content) else {
            throw VaultError(.misconfigured, "\(file) does not hold \(purpose)")
        }
        return .secret(text)
    }

    private func error(_ response: VaultResponse, _ request: VaultRequest) -> VaultError {
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

    /// The claims of the token in the file, which is the one that was sent or its successor.
    private var claims: JWTClaims? {
        switch method {
        case .kubernetes(_, let file), .jwt(_, let file):
            (try? VaultSecretFile.read(file, purpose: "")).flatMap { JWTClaims($0) }
        case .appRole: nil
        }
    }
}
