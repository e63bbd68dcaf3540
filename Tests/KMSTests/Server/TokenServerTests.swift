import Envelope
import System
import TestSupport
import Testing

@testable import KMS

/// Tokens that expire. These tests wait for real leases, so they run beside each other, each on a server of its own.
@Suite(.enabled(if: OpenBao.isAvailable))
struct TokenServerTests {
    private func decryptor(_ ttl: String, maximum: String = "1h") async throws -> (
        OpenBao, TransitKeyManager, DataKey
    ) {
        let bao = try await OpenBao()
        try await bao.makeKey()
        try await bao.makePolicy("controller", "transit/decrypt/sb-wrap")
        let settings = try await bao.makeAppRole(policies: ["controller"], ttl: ttl, maximum: maximum)
        let generated = try await bao.manager().generateDataKey(for: binding())
        return (bao, try bao.manager(settings), generated)
    }

    private func use(_ manager: TransitKeyManager, _ dataKey: DataKey, for seconds: Double) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while .now < end {
            let unwrapped = try await manager.unwrap(dataKey.recipient, for: dataKey.sampleBinding)
            #expect(unwrapped.key.equals(dataKey.key))
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    @Test func renewsATokenThatIsNotUsed() async throws {
        let (bao, manager, generated) = try await decryptor("12s")
        try await use(manager, generated, for: 0.1)
        let maintenance = Task { await manager.maintain(onRecovery: {}) }
        try await Task.sleep(for: .seconds(26))
        maintenance.cancel()
        await maintenance.value
        try await use(manager, generated, for: 0.1)
        let logins = try bao.requests("auth/approle/login")
        let renewals = try bao.requests("auth/token/renew-self")
        #expect(logins == 1)
        #expect(renewals >= 2)
    }

    /// A token is renewed up to the maximum of the role, then replaced by a login, and no request fails. With the second pair
    /// most tokens are renewed in their last second, which the server rejects with HTTP 500.
    @Test(arguments: [("4s", "9s"), ("3s", "4s")])
    func servesWithTokensOfAFewSeconds(ttl: String, maximum: String) async throws {
        let (bao, manager, generated) = try await decryptor(ttl, maximum: maximum)
        try await use(manager, generated, for: 18)
        let logins = try bao.requests("auth/approle/login")
        #expect((2...10).contains(logins))
        #expect(try bao.requests("auth/token/renew-self") >= 1)
    }

    @Test func renewsATokenFromASetting() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        try await bao.makePolicy("controller", "transit/decrypt/sb-wrap")
        let generated = try await bao.manager().generateDataKey(for: binding())
        let token = try await bao.makeToken(policies: ["controller"], ttl: "4s")
        let manager = try bao.manager(["SB_KMS_VAULT_TOKEN": token])
        let maintenance = Task { await manager.maintain(onRecovery: {}) }
        try await Task.sleep(for: .seconds(7))
        try await use(manager, generated, for: 0.1)
        maintenance.cancel()
        await maintenance.value
        try await Task.sleep(for: .seconds(5))
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(generated.recipient, for: generated.sampleBinding)
        }
        #expect(error?.code == .accessDenied)
    }

    @Test func replacesARevokedToken() async throws {
        let (bao, manager, generated) = try await decryptor("1h")
        try await use(manager, generated, for: 0.1)
        try await bao.post("sys/leases/revoke-prefix/auth/approle")
        try await use(manager, generated, for: 0.3)
        #expect(try bao.requests("auth/approle/login") == 2)
    }

    /// A policy that denies costs two logins, whatever the number of requests.
    @Test func doesNotLogInForEachDenial() async throws {
        let (bao, manager, generated) = try await decryptor("1h")
        try await bao.makePolicy("controller", "transit/decrypt/other")
        for _ in 0..<20 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(generated.recipient, for: generated.sampleBinding)
            }
            #expect(error?.code == .accessDenied)
        }
        #expect(try bao.requests("auth/approle/login") == 2)
        try await bao.makePolicy("controller", "transit/decrypt/sb-wrap")
        try await use(manager, generated, for: 0.1)
    }

    @Test func namesTheSettingOfARejectedLogin() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        var settings = try await bao.makeAppRole(policies: [], ttl: "1h")
        settings["SB_KMS_VAULT_SECRET_ID"] = "canary-secret-id"
        let manager = try bao.manager(settings)
        guard case .failed(let error) = await manager.selfTest() else {
            Issue.record("logged in with a wrong secret id")
            return
        }
        #expect(error.code == .accessDenied)
        #expect(error.message.contains("SB_KMS_VAULT_SECRET_ID"))
        #expect(!error.message.contains("canary"))
    }
}
