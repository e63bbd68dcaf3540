/// Requests with a token. A 403 gets a second try where there may be a newer token: nobody can tell from a 403
/// whether a policy says no or the token is gone.
struct VaultSession: Sendable {
    let client: VaultClient
    let tokens: any VaultTokenSource

    var location: VaultLocation { client.location }

    /// The answer, whatever its status.
    func exchange(_ call: VaultCall) async throws(VaultError) -> VaultAnswer {
        let token = try await tokens.token()
        let answer = try await client.exchange(call, token: token.value)
        guard answer.status == 403 else {
            tokens.worked(token, at: call.path)
            return answer
        }
        // What something before Vault refuses says nothing about the token.
        guard answer.isOfVault else { return answer }
        guard tokens.refused(token, at: call.path) else { return answer }
        let fresh = try await tokens.token()
        guard fresh.generation != token.generation else { return answer }
        let second = try await client.exchange(call, token: fresh.value)
        if second.status != 403 { tokens.worked(fresh, at: call.path) }
        return second
    }

    /// The answer when it is a success.
    func send(_ call: VaultCall) async throws(VaultError) -> VaultAnswer {
        let answer = try await exchange(call)
        guard 200..<300 ~= answer.status else { throw answer.failure(call.path, at: location) }
        return answer
    }
}
