import Cryptography
import Envelope
import Foundation
import Settings
import TestSupport
import Testing

@testable import KMS

/// The settings of ClusterKeyProviders and KeyProviders.
struct AzureProviderTests {
    private static let values = ["vaultURL": azureVault, "key": "sb-wrap"]
    private static let federation = [
        "tenantID": azureTenant, "clientID": "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb",
    ]

    private struct Identity: IdentityTokenSource {
        let name = "the token of service account team-a/wrap-reader"

        func token() async throws(IdentityTokenError) -> SharedSecret {
            throw IdentityTokenError(.denied, "the API server denies the token")
        }
    }

    private func keyManager(
        _ values: [String: String], identity: (any IdentityTokenSource)? = nil,
        environment: [String: String] = [:]
    ) throws -> any KeyManager {
        try AzureBackend.keyManager(
            for: KeyProviderSettings(backend: "azure-key-vault", values: values),
            KMSBackendContext(environment: Environment(environment), identity: identity))
    }

    private func problem(_ values: [String: String], identity: (any IdentityTokenSource)? = nil) -> String? {
        do {
            _ = try keyManager(values, identity: identity)
            return nil
        } catch {
            return (error as? KeyProviderSettingsError)?.message
        }
    }

    @Test func makesAKeyManagerOfTheFields() throws {
        let version = ["keyVersion": azureVersion]
        #expect(try keyManager(Self.values.merging(version) { $1 }).keyID == azureKeyID)
        #expect(
            try keyManager(Self.values.merging(Self.federation) { $1 }, identity: Identity()).keyID
                == "azure-key-vault:\(azureVault)/keys/sb-wrap")
    }

    @Test(arguments: [
        (["vaultURL": ""], "vaultURL is missing; set it"), (["key": ""], "key is missing; set it"),
        (["vaultURL": "http://a.vault.azure.net"], "vaultURL is not the https URL of a vault"),
        (["key": "a/b"], "key is not the name of a key"),
        (["keyVersion": "1"], "keyVersion is not the version"),
        (["authorityHost": "http://x"], "authorityHost is not the https URL"),
        (["region": "x"], "region is not a field of azureKeyVault; remove it"),
        (["tenantID": azureTenant], "tenantID belongs to a service account"),
    ])
    func reportsWrongFields(change: [String: String], expected: String) {
        #expect(problem(Self.values.merging(change) { $1 })?.hasPrefix(expected) == true)
    }

    @Test(arguments: ["tenantID", "clientID"])
    func anIdentityNeedsAnApplication(missing: String) {
        var values = Self.values.merging(Self.federation) { $1 }
        values[missing] = nil
        #expect(problem(values, identity: Identity()) == "\(missing) is missing; set it")
    }

    /// The process's own credentials would succeed here.
    @Test func aTenantsIdentityNeverFallsBackToTheProcess() async throws {
        let metadata = FakeTransport { _ in .init(200, #"{"access_token":"MANAGED","expires_in":"3600"}"#) }
        let credentials = AzureCredentials.federated(
            AzureFederatedCredential(
                name: "tenant", tenant: azureTenant, clientID: "c", identity: Identity()),
            AzureCredentialsContext(
                Environment([
                    "AZURE_TENANT_ID": azureTenant, "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "own",
                ]),
                services: metadata, local: metadata),
            authority: try #require(ServerAddress("https://login.microsoftonline.com")))
        let error = await #expect(throws: CloudError.self) {
            try await credentials.token(
                for: AzureTokenRequest(resource: "https://vault.azure.net", tenant: azureTenant))
        }
        #expect(error?.code == .accessDenied)
        #expect(metadata.requests.isEmpty)
    }
}
