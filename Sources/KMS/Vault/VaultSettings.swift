import Settings

/// A transit key, the Vault that has it, and how to log in there. Every part is validated.
struct VaultSettings: Sendable {
    let address: ServerAddress
    /// The path of the transit engine, which may have slashes.
    var mount: String
    var key: String
    /// Distinguishes two Vaults that have the same mount and key.
    let name: String?
    let namespace: String?
    let authentication: VaultAuthentication
    var tls = TLSSettings()

    /// `vault-transit:[<name>:][<vault namespace>/]<mount>/<key>`
    var keyID: String {
        let prefix = (name.map { "\($0):" } ?? "") + (namespace.map { "\($0)/" } ?? "")
        return "vault-transit:\(prefix)\(mount)/\(key)"
    }
}

extension VaultSettings {
    /// Reads `SB_KMS_VAULT_*`, and in place of one that is not set, the variable of the `vault` and `bao` command lines.
    ///
    /// - Parameter authentication: Replaces the credentials of the environment.
    static func load(
        from environment: Environment, authentication: VaultAuthentication? = nil
    ) throws(SettingError) -> VaultSettings {
        let variables = VaultVariables(environment: environment)
        let login = if let authentication { authentication } else { try VaultAuthentication.load(variables) }
        let settings = VaultSettings(
            address: try address(variables),
            mount: try path(variables, VaultVariables.mount, example: "transit") ?? "transit",
            key: try key(variables),
            name: try name(variables),
            namespace: try path(variables, VaultVariables.namespace, example: "team-a"),
            authentication: login,
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

    /// Removes the path of the API or of the web page, which users copy with the address: the paths of requests begin with
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

extension VaultSettings {
    /// Returns the settings of the keys in `SB_KMS_VAULT_KEYS_PREVIOUS`, `<key>` or `<mount>/<key>`, of the same Vault. They
    /// unwrap for WrappedSecrets that were not moved to the current key yet.
    func previousKeySettings(from environment: Environment) throws(SettingError) -> [VaultSettings] {
        let variable = VaultVariables.previousKeys
        var list: [VaultSettings] = []
        for entry in (environment.value(variable) ?? "").split(separator: ",") {
            let path = URLPath.trimmingSlashes(URLPath.trimming(" ", from: entry))
            guard URLPath.isPath(path) else {
                throw SettingError(
                    variable: variable,
                    problem: "is not a list of <key> or <mount>/<key> (A-Z a-z 0-9 - _ .), for example: "
                        + "sb-wrap-2025,transit-old/sb-wrap")
            }
            var settings = self
            if let slash = path.lastIndex(of: "/") {
                settings.mount = String(path[..<slash])
                settings.key = String(path[path.index(after: slash)...])
            } else {
                settings.key = path
            }
            guard settings.keyID != keyID else {
                throw SettingError(
                    variable: variable,
                    problem: "lists \(settings.mount)/\(settings.key), which is the current key "
                        + "(\(VaultVariables.key)); list previous keys only")
            }
            guard !list.contains(where: { $0.keyID == settings.keyID }) else {
                throw SettingError(
                    variable: variable, problem: "lists \(settings.mount)/\(settings.key) twice")
            }
            try settings.checkKeyIDLength(variable)
            list.append(settings)
        }
        return list
    }

    /// Spec and status of a WrappedSecret allow key ids of 512 bytes.
    func checkKeyIDLength(_ variable: String) throws(SettingError) {
        guard keyID.utf8.count > 512 else { return }
        throw SettingError(
            variable: variable,
            problem: "gives a key id of \(keyID.utf8.count) bytes with its namespace, mount and "
                + "name; at most 512 are expected")
    }
}
