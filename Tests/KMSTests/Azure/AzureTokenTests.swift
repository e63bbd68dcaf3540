import Cryptography
import Envelope
import HTTPTypes
import JSON
import System
import TestSupport
import Testing

@testable import KMS

/// Challenges of vaults, and the tokens that follow from them.
struct AzureTokenTests {
    private func challenge(
        _ header: String, vault: String = azureVault
    ) throws -> Result<AzureChallenge, CloudError> {
        let vault = try #require(AzureVault(vault))
        do throws(CloudError) {
            return .success(try AzureChallenge([.wwwAuthenticate: header], from: vault))
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [
        #"Bearer authorization="https://login.microsoftonline.com/\#(azureTenant)", resource="https://vault.azure.net""#,
        #"bearer  resource="https://vault.azure.net",authorization_uri="https://login.windows.net/\#(azureTenant)/oauth2""#,
        #"PoP nonce="a, b=c", Bearer authorization="https://login.microsoftonline.com/\#(azureTenant)", scope="https://vault.azure.net/.default""#,
        #"Bearer realm="a\"b", authorization="https://login.microsoftonline.com/\#(azureTenant)", resource=https://vault.azure.net"#,
    ])
    func readsAChallenge(header: String) throws {
        let challenge = try challenge(header).get()
        #expect(challenge.resource == "https://vault.azure.net")
        #expect(challenge.tenant == azureTenant)
    }

    @Test(arguments: [
        ("https://vault.azure.net", "https://payments.vault.azure.net", true),
        ("https://managedhsm.azure.net", "https://h.managedhsm.azure.net", true),
        ("https://vault.azure.cn", "https://payments.vault.azure.cn", true),
        ("https://vault.localhost:8443", "https://a.vault.localhost:8443", true),
        ("https://vault.localhost:8443", "https://a.vault.localhost:8444", false),
        ("https://vault.azure.net", "https://payments.vault.azure.net.evil.example", false),
        ("https://vault.azure.net", "https://evilvault.azure.net", false),
        ("https://vault.azure.net", "https://vault.azure.net", false),
        ("https://management.azure.com", "https://payments.vault.azure.net", false),
        ("http://vault.azure.net", "https://payments.vault.azure.net", false),
        ("https://vault.azure.net/x", "https://payments.vault.azure.net", false),
    ])
    func acceptsOnlyTheResourceAboveTheVault(resource: String, vault: String, isAccepted: Bool) throws {
        let result = try challenge(#"Bearer authorization="x", resource="\#(resource)""#, vault: vault)
        #expect(((try? result.get()) != nil) == isAccepted)
    }

    @Test(arguments: ["", "Basic realm=x", "Bearer", "Bearer ===", #"Bearer resource="unterminated"#])
    func rejectsAResponseWithoutAChallenge(header: String) throws {
        let result = try challenge(header)
        guard case .failure(let error) = result else {
            Issue.record("a challenge")
            return
        }
        #expect(error.code == .misconfigured)
    }

    @Test func asksTheVaultOnceForTheResourceAndTenant() async throws {
        let transport = fakeAzure { _ in .azureResult() }
        let credential = CountingAzureCredential()
        let manager = try azureKeyManager(transport, credential: credential)
        for name in ["a", "b"] { _ = try await manager.unwrap(azureRecipient, for: binding(name)) }
        #expect(transport.requests.map(\.authorization) == [nil, "Bearer TOKEN1", "Bearer TOKEN1"])
        #expect(transport.requests.first?.line == "GET /keys/sb-wrap?api-version=7.4")
        #expect(credential.requests.elements.map(\.scope) == ["https://vault.azure.net/.default"])
        #expect(credential.requests.elements.map(\.tenant) == [azureTenant])
    }

    @Test func requestsNoTokenForAChallengeOfAnotherService() async throws {
        let transport = fakeAzure(resource: "https://graph.microsoft.com") { _ in .azureResult() }
        let credential = CountingAzureCredential()
        let manager = try azureKeyManager(transport, credential: credential)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("asks for an access token of another service") == true)
        #expect(credential.requests.elements.isEmpty)
        #expect(transport.authorized.isEmpty)
    }

    @Test func repeatsARequestOnceWithAnotherTokenAfterA401() async throws {
        let transport = fakeAzure { request in
            request.authorization == "Bearer TOKEN1" ? .azureChallenge() : .azureResult()
        }
        let manager = try azureKeyManager(transport)
        _ = try await manager.unwrap(azureRecipient, for: sampleBinding)
        #expect(transport.authorized.map(\.authorization) == ["Bearer TOKEN1", "Bearer TOKEN2"])
    }

    @Test func givesUpAfterTheSecond401() async throws {
        let transport = fakeAzure { _ in .azureChallenge() }
        let credential = CountingAzureCredential()
        let manager = try azureKeyManager(transport, credential: credential)
        for _ in 0..<5 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(azureRecipient, for: sampleBinding)
            }
            #expect(error?.code == .accessDenied)
        }
        #expect(credential.requests.elements.count == 2)
    }

    @Test func asksForATokenWithTheClaimsThatTheVaultDemands() async throws {
        let claims = #"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#
        let transport = fakeAzure { request in
            request.authorization == "Bearer TOKEN1" ? .azureClaimsChallenge(claims) : .azureResult()
        }
        let credential = CountingAzureCredential()
        let manager = try azureKeyManager(transport, credential: credential)
        _ = try await manager.unwrap(azureRecipient, for: sampleBinding)
        let asked = credential.requests.elements
        #expect(asked.map { $0.claims != nil } == [false, true])
        let parameter = try #require(asked.last?.claimsParameter["access_token"])
        #expect(parameter["nbf"]?["value"]?.string == "1700000000")
        #expect(parameter["xms_cc"]?["values"]?.elements?.first?.string == "CP1")
        #expect(asked.first?.claimsParameter["access_token"]?.members?.map(\.key) == ["xms_cc"])
    }

    @Test func aClaimsChallengeIsFollowedOnce() async throws {
        let transport = fakeAzure { _ in .azureClaimsChallenge(#"{"access_token":{}}"#) }
        let credential = CountingAzureCredential()
        let manager = try azureKeyManager(transport, credential: credential)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(transport.authorized.count == 2)
    }

    /// A vault moves to another tenant.
    @Test func followsTheChallengeOfA401() async throws {
        let other = "99999999-2222-3333-4444-555555555555"
        let transport = fakeAzure { request in
            request.authorization == "Bearer TOKEN1" ? .azureChallenge(tenant: other) : .azureResult()
        }
        let credential = CountingAzureCredential()
        let manager = try azureKeyManager(transport, credential: credential)
        _ = try await manager.unwrap(azureRecipient, for: sampleBinding)
        #expect(credential.requests.elements.map(\.tenant) == [azureTenant, other])
    }

    @Test func anOutageWhileTheVaultIsAskedIsTransient() async throws {
        let transport = FakeTransport { _ in .init(503, "") }
        let manager = try azureKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .unavailable)
    }

    @Test func aServerWithoutAuthenticationIsNotKeyVault() async throws {
        let transport = FakeTransport { _ in .init(200, "{}") }
        let manager = try azureKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
    }
}
