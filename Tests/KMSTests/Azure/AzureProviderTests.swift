import Cryptography
import Envelope
import Foundation
import HTTP
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

    private struct DeniedIdentity: IdentityTokenSource {
        let name = "the token of service account team-a/wrap-reader"

        func token() async throws(IdentityTokenError) -> SharedSecret {
            throw IdentityTokenError(.denied, "the API server denies the token")
        }
    }

    private func keyManager(
        _ values: [String: String], identity: (any IdentityTokenSource)? = nil,
        environment: [String: String] = [:]
    ) throws(KeyProviderSettingsError) -> any KeyManager {
        try KeyProviderFactory(from: Environment(environment), for: .controller).keyManager(
            for: KeyProviderSettings(backend: "azure-key-vault", values: values), identity: identity)
    }

    private func problem(_ values: [String: String], identity: (any IdentityTokenSource)? = nil) -> String? {
        do {
            _ = try keyManager(values, identity: identity)
            return nil
        } catch {
            return error.message
        }
    }

    @Test func makesAKeyManagerOfTheFields() throws {
        let version = ["keyVersion": azureVersion]
        #expect(try keyManager(Self.values.merging(version) { $1 }).keyID == azureKeyID)
        #expect(
            try keyManager(Self.values.merging(Self.federation) { $1 }, identity: DeniedIdentity()).keyID
                == "azure-key-vault:\(azureVault)/keys/sb-wrap")
    }

    @Test func takesNoSettingOfTheProcess() {
        #expect(
            problem([:])?.hasPrefix(
                "the provider's field vaultURL is not set; it is the https URL of a vault")
                == true)
    }

    @Test(arguments: [
        (
            ["vaultURL": "http://a.vault.azure.net"],
            "the provider's field vaultURL is not the https URL of a vault"
        ),
        (["key": "a/b"], "the provider's field key is not the name of a key"),
        (["keyVersion": "1"], "the provider's field keyVersion is not the version"),
        (["authorityHost": "http://x"], "the provider's field authorityHost is not the https URL"),
        (["region": "x"], "the backend azure-key-vault has no field region"),
    ])
    func reportsWrongFields(change: [String: String], expected: String) {
        #expect(problem(Self.values.merging(change) { $1 })?.hasPrefix(expected) == true)
    }

    @Test(arguments: ["tenantID", "clientID"])
    func anIdentityNeedsAnApplication(missing: String) {
        var values = Self.values.merging(Self.federation) { $1 }
        values[missing] = nil
        #expect(
            problem(values, identity: DeniedIdentity())?.hasPrefix(
                "the provider's field \(missing) is not set")
                == true)
    }
}
