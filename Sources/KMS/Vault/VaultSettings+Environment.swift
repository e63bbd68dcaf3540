import System

extension VaultSettings {
    /// Reads `SB_KMS_VAULT_*`, and where one is not set, what the `vault` and `bao` command lines read.
    static func load(from environment: Environment) throws(SettingError) -> VaultSettings {
        let variables = VaultVariables(environment: environment)
        let settings = VaultSettings(
            address: try address(variables),
            mount: try path(variables, VaultVariables.mount, example: "transit") ?? "transit",
            key: try key(variables),
            name: try name(variables),
            namespace: try path(variables, VaultVariables.namespace, example: "team-a"),
            authentication: try VaultAuthentication.load(variables),
            tls: try TLSSettings.vault(variables))
        try settings.checkKeyIDLength(VaultVariables.key)
        return settings
    }

    private static func address(_ variables: VaultVariables) throws(SettingError) -> ServerAddress {
        guard let (text, variable) = variables.value(VaultVariables.address) else {
            throw SettingError(
                variable: VaultVariables.address,
                problem: "is not set; the vault-transit backend needs the URL of Vault or OpenBao, "
                    + "for example: export \(VaultVariables.address)=https://vault.example.com:8200")
        }
        guard let address = ServerAddress(withoutAPI(text)) else {
            throw SettingError(
                variable: variable,
                problem: "is not a URL of the form https://<host>[:<port>], for example: "
                    + "https://vault.example.com:8200")
        }
        let allowsHTTP = try flag(variables, VaultVariables.allowHTTP)
        guard !address.isPlainHTTP || address.isLoopback || allowsHTTP else {
            throw SettingError(
                variable: variable,
                problem: "is plain http to another machine, where data keys and tokens can be read on the "
                    + "way; use https, or accept that with \(VaultVariables.allowHTTP)=true")
        }
        return address
    }

    /// The address without the path of the API or of the web page, which were copied with it: paths of the API begin with
    /// `/v1/` anyway.
    private static func withoutAPI(_ address: String) -> String {
        let trimmed = address.prefix(
            upTo: address.lastIndex { $0 != "/" }.map { address.index(after: $0) } ?? address.startIndex)
        for suffix in ["/v1", "/ui"] where trimmed.hasSuffix(suffix) && !trimmed.hasSuffix("/" + suffix) {
            return String(trimmed.dropLast(suffix.count))
        }
        return address
    }

    private static func key(_ variables: VaultVariables) throws(SettingError) -> String {
        guard let (key, variable) = variables.value(VaultVariables.key) else {
            throw SettingError(
                variable: VaultVariables.key,
                problem: "is not set; it names the transit key, for example: "
                    + "export \(VaultVariables.key)=sb-wrap")
        }
        guard URLPath.isSegment(key) else {
            throw SettingError(
                variable: variable,
                problem: "is not the name of a key (A-Z a-z 0-9 - _ .), for example: sb-wrap")
        }
        return key
    }

    private static func name(_ variables: VaultVariables) throws(SettingError) -> String? {
        guard let (name, variable) = variables.value(VaultVariables.name) else { return nil }
        guard URLPath.isSegment(name) else {
            throw SettingError(
                variable: variable, problem: "is not a name (A-Z a-z 0-9 - _ .), for example: eu")
        }
        return name
    }

    static func path(
        _ variables: VaultVariables, _ variable: String, example: String,
        trimmed: (String) -> String = { $0 }
    ) throws(SettingError) -> String? {
        guard let (text, variable) = variables.value(variable) else { return nil }
        let path = trimmed(URLPath.trimmingSlashes(text))
        guard URLPath.isPath(path) else {
            throw SettingError(
                variable: variable,
                problem: "is not a path of names (A-Z a-z 0-9 - _ .) joined by /, for example: \(example)")
        }
        return path
    }

    private static func flag(_ variables: VaultVariables, _ variable: String) throws(SettingError) -> Bool {
        switch variables.value(variable)?.value {
        case nil, "false": return false
        case "true": return true
        case .some:
            throw SettingError(variable: variable, problem: "is neither true nor false")
        }
    }
}
