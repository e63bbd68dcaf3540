import Envelope
import Settings
import Testing

@testable import KMS

/// Addresses of vaults, ids of keys, and the settings that hold them.
struct AzureKeyTests {
    private func key(_ vault: String = azureVault, _ name: String = "sb-wrap") throws -> AzureKey {
        AzureKey(vault: try #require(AzureVault(vault)), name: name)
    }

    @Test(arguments: [
        "https://payments.vault.azure.net", "https://payments.vault.azure.net/",
        "https://PAYMENTS.vault.azure.net",
        "https://payments.vault.azure.net:443",
    ])
    func readsTheURLOfAVault(_ text: String) throws {
        #expect(try key(text).url == "\(azureVault)/keys/sb-wrap")
        #expect(try key(text).vault.isManagedHSM == false)
    }

    @Test(arguments: [
        "http://payments.vault.azure.net", "payments.vault.azure.net",
        "https://payments.vault.azure.net/keys/a",
        "https://user@payments.vault.azure.net", "https://", "", "https://payments.vault.azure.net?x",
        "https://payments.vault.azure.net:443:443",
    ])
    func rejectsOtherURLs(_ text: String) {
        #expect(AzureVault(text) == nil)
    }

    @Test(arguments: ["https://h:443", "https://[::1]:443", "https://h:0443", "https://h:8443"])
    func readsTheAddressOfAVaultAsTheSameVault(_ text: String) throws {
        let vault = try #require(AzureVault(text))
        #expect(AzureVault(vault.address.url) == vault)
        #expect(!vault.address.url.hasSuffix(":443"))
    }

    @Test(arguments: [
        ("https://a.vault.azure.net", false, "https://login.microsoftonline.com"),
        ("https://a.managedhsm.azure.net", true, "https://login.microsoftonline.com"),
        ("https://a.vault.usgovcloudapi.net", false, "https://login.microsoftonline.us"),
        ("https://a.managedhsm.usgovcloudapi.net", true, "https://login.microsoftonline.us"),
        ("https://a.vault.azure.cn", false, "https://login.chinacloudapi.cn"),
        ("https://vault.azure.cn.example", false, "https://login.microsoftonline.com"),
        ("https://managedhsm.example", false, "https://login.microsoftonline.com"),
    ])
    func knowsTheCloudOfAVault(url: String, isManagedHSM: Bool, authority: String) throws {
        let vault = try #require(AzureVault(url))
        #expect(vault.isManagedHSM == isManagedHSM)
        #expect(vault.cloud.authority == authority)
    }

    @Test func findsTheVersionInItsOwnKeyIDs() throws {
        #expect(try key().version(inKeyID: azureKeyID) == azureVersion)
        #expect(try key().keyID(version: azureVersion) == azureKeyID)
    }

    @Test(arguments: [
        "azure-key-vault:https://other.vault.azure.net/keys/sb-wrap/\(azureVersion)",
        "azure-key-vault:https://payments.vault.azure.net.evil.example/keys/sb-wrap/\(azureVersion)",
        "azure-key-vault:https://payments.vault.azure.net/keys/other/\(azureVersion)",
        "azure-key-vault:https://payments.vault.azure.net/keys/SB-WRAP/\(azureVersion)",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/\(azureVersion.uppercased())",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/\(azureVersion)0",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/\(azureVersion)/x",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcde?",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/",
        "\(azureVault)/keys/sb-wrap/\(azureVersion)", "gcp-kms:\(azureVault)/keys/sb-wrap/\(azureVersion)",
        "",
    ])
    func acceptsNoOtherKeyID(_ keyID: String) throws {
        #expect(try key().version(inKeyID: keyID) == nil)
    }

    /// Azure compares the names of keys without regard to case, and returns them as they were created.
    @Test func readsTheKidOfAResponseInAnyCase() throws {
        #expect(try key().version(inKid: "\(azureVault)/keys/SB-Wrap/\(azureVersion)") == azureVersion)
        #expect(try key().version(inKid: "\(azureVault)/keys/sb-wrap2/\(azureVersion)") == nil)
    }

    private func problem(_ values: [String: String]) -> String? {
        do throws(SettingError) {
            _ = try AzureBackend.keyManagers(KMSBackendContext(environment: Environment(values)))
            return nil
        } catch {
            return error.description
        }
    }

    @Test func loadsSettings() throws {
        let settings = try AzureSettings.load(
            from: Environment([
                "SB_KMS_AZURE_VAULT_URL": " \(azureVault)/\n", "SB_KMS_AZURE_KEY": "sb-wrap",
                "SB_KMS_AZURE_KEY_VERSION": azureVersion,
            ]), tls: TLSSettings())
        #expect(settings.key.keyID == "azure-key-vault:\(azureVault)/keys/sb-wrap")
        #expect(settings.keyVersion == azureVersion)
    }

    @Test(arguments: [
        ("SB_KMS_AZURE_VAULT_URL", "", "SB_KMS_AZURE_VAULT_URL is not set; it is the https URL of a vault"),
        ("SB_KMS_AZURE_VAULT_URL", "payments", "SB_KMS_AZURE_VAULT_URL is not the https URL of a vault"),
        ("SB_KMS_AZURE_KEY", "", "SB_KMS_AZURE_KEY is not set; it is the name of a key"),
        ("SB_KMS_AZURE_KEY", "\(azureVault)/keys/a", "SB_KMS_AZURE_KEY is not the name of a key"),
        ("SB_KMS_AZURE_KEY", "a_b", "SB_KMS_AZURE_KEY is not the name of a key"),
        ("SB_KMS_AZURE_KEY_VERSION", "latest", "SB_KMS_AZURE_KEY_VERSION is not the version of a key"),
        (
            "SB_KMS_AZURE_CACERT", "/nonexistent/ca.pem",
            "SB_KMS_AZURE_CACERT names a file that cannot be read"
        ),
    ])
    func reportsWrongSettings(variable: String, value: String, problem expected: String) {
        let values = ["SB_KMS_AZURE_VAULT_URL": azureVault, "SB_KMS_AZURE_KEY": "sb-wrap"]
        #expect(problem(values.merging([variable: value]) { $1 })?.hasPrefix(expected) == true)
    }

    @Test func theKeyRingKnowsTheBackend() throws {
        let ring = try KeyRing.load(
            from: Environment([
                "SB_KMS_BACKEND": "azure-key-vault", "SB_KMS_AZURE_VAULT_URL": azureVault,
                "SB_KMS_AZURE_KEY": "sb-wrap", "SB_KMS_AZURE_KEY_VERSION": azureVersion,
            ]))
        #expect(ring.primary.keyID == azureKeyID)
        #expect(ring.primary.accepts(keyID: azureKeyID))
        #expect(KeyManagerRequest.backend(ofKeyID: ring.primary.keyID) == "azure-key-vault")
    }
}
