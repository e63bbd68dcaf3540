import Cryptography
import YAML

/// What a login or a renewal gave.
struct VaultLease: Sendable {
    let token: SharedSecret
    /// Zero: for ever.
    let duration: Duration
    let isRenewable: Bool
}

/// The request that prolongs a token.
enum VaultRenewal {
    /// Callers wait for logins and renewals before their own request.
    static let timeout = Duration.seconds(5)

    /// Errors: `.denied` or `.refused`, when the token is dead or may not renew itself.
    static func renew(_ token: SharedSecret, _ client: VaultClient) async throws(VaultError) -> VaultLease {
        let call = VaultRequest(path: "auth/token/renew-self", body: [:], timeout: timeout)
        let answer = try await client.sendExpectingSuccess(call, token: token)
        return try VaultLease(answer, of: call, at: client.endpoint)
    }
}

extension VaultLease {
    /// Errors: `.failed`: the answer has no lease.
    init(_ answer: VaultResponse, of call: VaultRequest, at location: VaultEndpoint) throws(VaultError) {
        // A hundred years are for ever, and safe to add to any instant.
        guard let auth = answer.body?["auth"], let text = auth["client_token"]?.nonEmptySecret,
            let token = HeaderValue.visibleASCII(text.bytes), let seconds = auth["lease_duration"]?.int,
            0...3_153_600_000 ~= seconds
        else {
            throw VaultError(.serverError, "\(location) answers \(call.path) without a token; is it Vault?")
        }
        self.token = token
        duration = .seconds(seconds)
        isRenewable = auth["renewable"]?.bool == true && auth["token_type"]?.string != "batch"
    }
}
