import System

extension VaultSettings {
    /// The settings of the keys that `SB_KMS_VAULT_KEYS_PREVIOUS` lists, `<key>` or `<mount>/<key>`, of the same Vault.
    /// They open rows that were not moved yet.
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
                    problem: "lists \(settings.mount)/\(settings.key), which is the present key "
                        + "(\(VaultVariables.key)); list the earlier ones alone")
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

    /// Key ids go into rows and statuses, which have room for 512 bytes.
    func checkKeyIDLength(_ variable: String) throws(SettingError) {
        guard keyID.utf8.count > 512 else { return }
        throw SettingError(
            variable: variable,
            problem: "gives a key id of \(keyID.utf8.count) bytes with its namespace, mount and "
                + "name; at most 512 are expected")
    }
}
