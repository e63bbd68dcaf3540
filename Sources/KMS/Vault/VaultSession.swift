/// Requests with a token. A 403 gets a second try where there may be a newer token: nobody can tell from a 403
/// whether a policy says no or the token is gone.
struct VaultSession: Sendable {
    let client: VaultClient
    let tokens: any VaultTokenSource

    var endpoint: VaultEndpoint { client.endpoint }

    /// The answer, whatever its status.
    func send(_ call: VaultRequest) async throws(VaultError) -> VaultResponse {
        let token = try await tokens.token()
        let answer = try await client.send(call, token: token.value)
        guard answer.status == 403 else {
            tokens.recordSuccess(token, at: call.path)
            return answer
        }
        // What something before Vault refuses says nothing about the token.
        guard answer.isFromVault else { return answer }
        guard tokens.recordDenial(token, at: call.path) else { return answer }
        let fresh = try await tokens.token()
        guard fresh.generation != token.generation else { return answer }
        let second = try await client.send(call, token: fresh.value)
        if second.status != 403 { tokens.recordSuccess(fresh, at: call.path) }
        return second
    }

    /// The answer when it is a success.
    func sendExpectingSuccess(_ call: VaultRequest) async throws(VaultError) -> VaultResponse {
        let answer = try await send(call)
        guard 200..<300 ~= answer.status else { throw answer.error(call.path, at: endpoint) }
        return answer
    }
}
