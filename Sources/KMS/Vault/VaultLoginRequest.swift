import System
import YAML

/// The request that gets a token.
struct VaultLoginRequest: Sendable {
    let method: VaultLoginMethod
    let mount: String

    func login(_ client: VaultClient) async throws(VaultError) -> VaultLease {
        let call = VaultRequest(path: "auth/\(mount)/login", body: try body(), timeout: VaultRenewal.timeout)
        let answer = try await client.send(call, token: nil)
        guard 200..<300 ~= answer.status else { throw failure(answer, call, at: client.endpoint) }
        return try VaultLease(answer, of: call, at: client.endpoint)
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
                throw VaultError(.misconfigured, "\(VaultVariables.secretID) is not text")
            }
            return ["role_id": .string(roleID), "secret_id": .secret(text)]
        case .appRole(let roleID, .file(let file)):
            return [
                "role_id": .string(roleID),
                "secret_id": try secret(
                    file, "the AppRole's secret id", VaultVariables.secretID + "_FILE"),
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

    private func failure(_ answer: VaultResponse, _ call: VaultRequest, at location: VaultEndpoint)
        -> VaultError
    {
        let refusal = VaultLoginRejection(answer.errorText)
        switch answer.status {
        case 400 where answer.isFromVault, 403 where answer.isFromVault:
            return VaultError(
                .loginRejected,
                "\(location) refuses the login at auth/\(mount): \(refusal.remedy(for: method, mount: mount, claims))"
            )
        case 500 where refusal == .notConfigured:
            return VaultError(
                .loginRejected,
                "\(location) refuses the login at auth/\(mount): "
                    + VaultLoginRejection.notConfigured.remedy(for: method, mount: mount, claims))
        case 404 where answer.isFromVault:
            return VaultError(
                .loginRejected,
                "\(location) has no auth method at auth/\(mount); enable it, or set "
                    + VaultVariables.authenticationMount)
        default: return answer.error(call.path, at: location)
        }
    }

    /// Of the token that was sent, or of its successor.
    private var claims: JWTClaims? {
        switch method {
        case .kubernetes(_, let file), .jwt(_, let file):
            (try? VaultSecretFile.read(file, purpose: "")).flatMap { JWTClaims($0) }
        case .appRole: nil
        }
    }
}
