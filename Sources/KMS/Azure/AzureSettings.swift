import HTTP
import Settings

/// The validated settings of the azure-key-vault backend.
struct AzureSettings: Sendable {
    var key: AzureKey
    /// The version that wraps. Nil stands for the newest one.
    var keyVersion: String?
    /// The CAs that verify the vault and Microsoft Entra ID.
    let tls: TLSSettings

    static let vaultVariable = "SB_KMS_AZURE_VAULT_URL"
    static let keyVariable = "SB_KMS_AZURE_KEY"
    static let keyVersionVariable = "SB_KMS_AZURE_KEY_VERSION"
    static let previousKeysVariable = "SB_KMS_AZURE_KEYS_PREVIOUS"
    static let caVariable = "SB_KMS_AZURE_CACERT"

    /// Reads `SB_KMS_AZURE_*`, except for the CAs.
    static func load(from environment: Environment, tls: TLSSettings) throws(SettingError) -> AzureSettings {
        let vault = try required(vaultVariable, environment, example: "https://payments.vault.azure.net") {
            AzureVault($0)
        }
        let name = try required(keyVariable, environment, example: "sb-wrap") {
            AzureKey.isName($0) ? $0 : nil
        }
        let version = environment.value(keyVersionVariable)
        if let version, !AzureKey.isVersion(version) {
            throw SettingError(
                variable: keyVersionVariable,
                problem:
                    "is not the version of a key: 32 lower-case hexadecimal digits, the last part of the key's id"
            )
        }
        return AzureSettings(key: AzureKey(vault: vault, name: name), keyVersion: version, tls: tls)
    }

    /// Returns the settings of the keys in `SB_KMS_AZURE_KEYS_PREVIOUS`, names of keys in the same vault. They unwrap and never
    /// wrap.
    func previousKeySettings(from environment: Environment) throws(SettingError) -> [AzureSettings] {
        let variable = Self.previousKeysVariable
        var list: [AzureSettings] = []
        for entry in (environment.value(variable) ?? "").split(separator: ",") {
            let name = URLPath.trimming(" ", from: entry)
            guard AzureKey.isName(name) else {
                throw SettingError(
                    variable: variable,
                    problem:
                        "is not a list of names of keys (1 to 127 letters, digits and hyphens), for example: "
                        + "sb-wrap-2025,sb-offline")
            }
            guard ([self] + list).allSatisfy({ $0.key.name != name }) else {
                throw SettingError(
                    variable: variable,
                    problem:
                        "lists \(name) twice, or it is the current key (\(Self.keyVariable)); list previous keys only"
                )
            }
            var settings = self
            settings.key = AzureKey(vault: key.vault, name: name)
            settings.keyVersion = nil
            list.append(settings)
        }
        return list
    }

    private static let descriptions = [
        vaultVariable: "the https URL of a vault or managed HSM",
        keyVariable:
            "the name of a key (1 to 127 letters, digits and hyphens, without the vault's URL and without a version)",
    ]

    private static func required<Value>(
        _ variable: String, _ environment: Environment, example: String, _ read: (String) -> Value?
    ) throws(SettingError) -> Value {
        let description = descriptions[variable] ?? ""
        guard let text = environment.value(variable) else {
            throw SettingError(
                variable: variable, problem: "is not set; it is \(description), for example: \(example)")
        }
        guard let value = read(text) else {
            throw SettingError(variable: variable, problem: "is not \(description), for example: \(example)")
        }
        return value
    }
}

/// The server of Microsoft Entra ID.
enum AzureAuthority {
    static let variable = "AZURE_AUTHORITY_HOST"

    /// The servers of Microsoft's clouds.
    static let known = AzureCloud.allCases.map(\.authority)

    /// Reads an https URL without a path, with or without `https://`.
    static func address(_ text: String?) -> ServerAddress? {
        guard let text, let address = ServerAddress(text.contains("://") ? text : "https://\(text)"),
            !address.isPlainHTTP, address.pathPrefix.isEmpty
        else { return nil }
        return address
    }

    /// Reads the setting, with or without `https://`. Without it, the server is that of the vault's cloud.
    static func load(
        from environment: Environment, for vault: AzureVault
    ) throws(SettingError) -> ServerAddress {
        guard let address = address(environment.value(variable) ?? vault.cloud.authority) else {
            throw SettingError(
                variable: variable,
                problem:
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
