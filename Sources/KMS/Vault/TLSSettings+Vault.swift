import HTTP
import Settings

extension TLSSettings {
    private static let authorityGroup = [
        VaultVariables.caFile, VaultVariables.caBytes, VaultVariables.caDirectory,
    ]
    private static let identityGroup = [VaultVariables.clientCertificate, VaultVariables.clientKey]

    /// Reads the settings of TLS, as the `vault` and `bao` command lines do: the CAs of CACERT and CAPATH together, else those
    /// of CACERT_BYTES; a client certificate with its key.
    ///
    /// - Throws: `SettingError` if a client certificate has no key or a key no certificate, the server name is invalid, or a
    ///   file cannot be used.
    static func vault(_ variables: VaultVariables) throws(SettingError) -> TLSSettings {
        var settings = TLSSettings()
        settings.trustedCAs = authorities(variables)
        settings.clientIdentity = try identity(variables)
        settings.serverName = try serverName(variables)
        settings.verificationDisabledBy = try skipsVerification(variables)
        _ = try settings.applied(to: HTTPClientConfiguration())
        return settings
    }

    private static func authorities(_ variables: VaultVariables) -> TrustedCAs {
        func source(_ variable: String) -> SettingSource? { variables.source(variable, of: authorityGroup) }
        let (file, folder) = (source(VaultVariables.caFile), source(VaultVariables.caDirectory))
        guard file == nil, folder == nil else { return .paths(file: file, folder: folder) }
        return source(VaultVariables.caBytes).map { .text($0) } ?? .system
    }

    private static func identity(_ variables: VaultVariables) throws(SettingError) -> ClientIdentity? {
        func source(_ variable: String) -> SettingSource? { variables.source(variable, of: identityGroup) }
        switch (source(VaultVariables.clientCertificate), source(VaultVariables.clientKey)) {
        case (nil, nil): return nil
        case (.some(let certificate), .some(let key)):
            return ClientIdentity(certificate: certificate, key: key)
        case (.some(let certificate), nil):
            throw incompleteIdentity(
                certificate, without: VaultVariables.clientKey, "the PEM file of its private key")
        case (nil, .some(let key)):
            throw incompleteIdentity(
                key, without: VaultVariables.clientCertificate, "the PEM file of its certificate")
        }
    }

    private static func incompleteIdentity(_ present: SettingSource, without missing: String, _ what: String)
        -> SettingError
    {
        SettingError(
            variable: present.variable,
            problem:
                "is set, but a client certificate needs both certificate and key; set \(missing) to \(what), or unset both"
        )
    }

    private static func serverName(_ variables: VaultVariables) throws(SettingError) -> String? {
        guard let (name, variable) = variables.value(VaultVariables.tlsServerName) else { return nil }
        guard let name = ServerAddress.normalizedHost(name) else {
            throw SettingError(
                variable: variable,
                problem:
                    "is not a host name without scheme and port; for example: vault.example.com")
        }
        return name
    }

    private static func skipsVerification(_ variables: VaultVariables) throws(SettingError) -> String? {
        guard let (text, variable) = variables.value(VaultVariables.skipVerify) else { return nil }
        // The values that the command lines accept.
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": return variable
        case "0", "f", "F", "false", "FALSE", "False": return nil
        default: throw SettingError(variable: variable, problem: "is neither true nor false")
        }
    }
}

extension VaultVariables {
    fileprivate func source(_ variable: String, of group: [String]) -> TLSSettings.SettingSource? {
        value(variable, of: group).map { .init(value: $0.value, variable: $0.variable) }
    }
}

extension VaultSettings {
    /// Returns a warning if Vault's certificate is not verified.
    ///
    /// - Throws: `SettingError` in a controller, unless SB_ENV=dev marks a development profile: all its data keys come over this
    ///   connection.
    func unverifiedServerWarning(_ environment: Environment, mode: ProgramMode) throws(SettingError)
        -> String?
    {
        guard let variable = tls.verificationDisabledBy, !address.isPlainHTTP else { return nil }
        let risk = "anyone between this process and \(address.origin) can read tokens and data keys"
        guard mode == .commandLine || environment.isDevelopmentProfile else {
            throw SettingError(
                variable: variable,
                problem:
                    "is refused by the controller: without verification, \(risk); unset it and name the CA in "
                    + "\(VaultVariables.caFile), or set SB_ENV=dev to mark this as a development profile"
            )
        }
        return "\(variable) turns off the verification of Vault's certificate: \(risk); name the CA in "
            + "\(VaultVariables.caFile) instead"
    }
}
