import Envelope
import HTTP
import Settings

/// The validated settings of the azure-key-vault backend.
struct AzureSettings: Sendable {
    let key: AzureKey
    /// The version that wraps. Nil stands for the newest one.
    let keyVersion: String?
    /// The CAs that verify the vault and Microsoft Entra ID.
    let tls: TLSSettings

    static let vaultVariable = "SB_KMS_AZURE_VAULT_URL"
    static let keyVariable = "SB_KMS_AZURE_KEY"
    static let keyVersionVariable = "SB_KMS_AZURE_KEY_VERSION"
    static let caVariable = "SB_KMS_AZURE_CACERT"

    /// The problem of a value, and its remedy. The caller puts the name of the setting before it.
    struct Problem: Error {
        let text: String
    }

    /// Reads `SB_KMS_AZURE_*`.
    static func load(from environment: Environment) throws(SettingError) -> AzureSettings {
        func required(_ variable: String, _ problem: String) throws(SettingError) -> String {
            guard let value = environment.value(variable) else {
                throw SettingError(variable: variable, problem: "is not set; \(problem)")
            }
            return value
        }
        func checked<Value>(
            _ variable: String, _ body: () throws(Problem) -> Value
        ) throws(SettingError) -> Value {
            do throws(Problem) {
                return try body()
            } catch {
                throw SettingError(variable: variable, problem: error.text)
            }
        }
        let url = try required(
            vaultVariable,
            "it names the vault, for example: export \(vaultVariable)=https://payments.vault.azure.net")
        let name = try required(
            keyVariable, "it names the key, for example: export \(keyVariable)=sb-wrap")
        return AzureSettings(
            key: AzureKey(
                vault: try checked(vaultVariable) { () throws(Problem) in try vault(url) },
                name: try checked(keyVariable) { () throws(Problem) in try keyName(name) }),
            keyVersion: try environment.value(keyVersionVariable).map { text throws(SettingError) in
                try checked(keyVersionVariable) { () throws(Problem) in try keyVersion(text) }
            }, tls: try .azure(environment))
    }

    static func vault(_ text: String) throws(Problem) -> AzureVault {
        guard let vault = AzureVault(text) else {
            throw Problem(
                text: "is not the https URL of a vault or managed HSM, for example: "
                    + "https://payments.vault.azure.net")
        }
        return vault
    }

    static func keyName(_ text: String) throws(Problem) -> String {
        guard AzureKey.isName(text) else {
            throw Problem(
                text:
                    "is not the name of a key (1 to 127 letters, digits and hyphens, without the vault's URL and "
                    + "without a version), for example: sb-wrap")
        }
        return text
    }

    static func keyVersion(_ text: String) throws(Problem) -> String {
        guard AzureKey.isVersion(text) else {
            throw Problem(
                text:
                    "is not the version of a key: 32 lower-case hexadecimal digits, the last part of the key's id"
            )
        }
        return text
    }

    /// Reads the server of Microsoft Entra ID, with or without `https://`.
    static func authority(_ text: String) throws(Problem) -> ServerAddress {
        guard let address = ServerAddress(text.contains("://") ? text : "https://\(text)"),
            !address.isPlainHTTP, address.pathPrefix.isEmpty
        else {
            throw Problem(
                text:
                    "is not the https URL of Microsoft Entra ID, for example: https://login.microsoftonline.com"
            )
        }
        return address
    }
}

extension TLSSettings {
    /// Reads the CAs that verify Azure's services, in place of those of the system.
    static func azure(_ environment: Environment) throws(SettingError) -> TLSSettings {
        guard let path = environment.value(AzureSettings.caVariable) else { return TLSSettings() }
        let settings = TLSSettings(
            trustedCAs: .paths(
                file: SettingSource(value: path, variable: AzureSettings.caVariable), folder: nil))
        _ = try settings.applied(to: HTTPClientConfiguration())
        return settings
    }
}
