import HTTP
import Primitives

extension TLSSettings {
    private static let authorityGroup = [
        VaultVariables.authorities, VaultVariables.authorityBytes, VaultVariables.authorityFolder,
    ]
    private static let identityGroup = [VaultVariables.clientCertificate, VaultVariables.clientKey]

    /// TLS as the `vault` and `bao` command lines have it: the CAs of CACERT and CAPATH together, else those of
    /// CACERT_BYTES; a client certificate with its key.
    ///
    /// Errors: half a client certificate, a name that no server has, or a file that cannot be used.
    static func vault(_ variables: VaultVariables) throws(SettingError) -> TLSSettings {
        var settings = TLSSettings()
        settings.authorities = authorities(variables)
        settings.identity = try identity(variables)
        settings.serverName = try serverName(variables)
        settings.skipsVerification = try skipsVerification(variables)
        _ = try settings.applied(to: HTTPClientConfiguration())
        return settings
    }

    private static func authorities(_ variables: VaultVariables) -> Authorities {
        func source(_ variable: String) -> Source? {
            variables.value(variable, of: authorityGroup).map {
                Source(value: $0.value, variable: $0.variable)
            }
        }
        let (file, folder) = (source(VaultVariables.authorities), source(VaultVariables.authorityFolder))
        guard file == nil, folder == nil else { return .paths(file: file, folder: folder) }
        return source(VaultVariables.authorityBytes).map { .text($0) } ?? .system
    }

    private static func identity(_ variables: VaultVariables) throws(SettingError) -> Identity? {
        func source(_ variable: String) -> Source? {
            variables.value(variable, of: identityGroup).map {
                Source(value: $0.value, variable: $0.variable)
            }
        }
        switch (source(VaultVariables.clientCertificate), source(VaultVariables.clientKey)) {
        case (nil, nil): return nil
        case (.some(let certificate), .some(let key)): return Identity(certificate: certificate, key: key)
        case (.some(let certificate), nil):
            throw half(certificate, without: VaultVariables.clientKey, "the PEM file of its private key")
        case (nil, .some(let key)):
            throw half(key, without: VaultVariables.clientCertificate, "the PEM file of its certificate")
        }
    }

    private static func half(_ present: Source, without missing: String, _ what: String) -> SettingError {
        SettingError(
            variable: present.variable,
            problem:
                "is set, and there is no client certificate without a key; set \(missing) to \(what), or unset both"
        )
    }

    private static func serverName(_ variables: VaultVariables) throws(SettingError) -> String? {
        guard let (name, variable) = variables.value(VaultVariables.tlsServerName) else { return nil }
        guard let name = ServerAddress.host(name) else {
            throw SettingError(
                variable: variable,
                problem:
                    "is not the name of a server, without scheme and port; for example: vault.example.com")
        }
        return name
    }

    private static func skipsVerification(_ variables: VaultVariables) throws(SettingError) -> String? {
        guard let (text, variable) = variables.value(VaultVariables.skipVerify) else { return nil }
        // As the command lines read it.
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": return variable
        case "0", "f", "F", "false", "FALSE", "False": return nil
        default: throw SettingError(variable: variable, problem: "is neither true nor false")
        }
    }
}

extension VaultSettings {
    /// Returns a warning if Vault's certificate is not verified.
    ///
    /// - Throws: `SettingError` in a controller, unless SB_ENV=dev marks a development profile: it runs for ever, and
    ///   everything that it is sent for comes over this connection.
    func unverifiedServer(_ environment: Environment, user: KeyRingUser) throws(SettingError) -> String? {
        guard let variable = tls.skipsVerification, !address.isPlainHTTP else { return nil }
        let risk = "anyone between this process and \(address.origin) can read tokens and data keys"
        guard user == .commandLine || environment.value("SB_ENV") == "dev" else {
            throw SettingError(
                variable: variable,
                problem:
                    "is refused by the controller: without verification, \(risk); unset it and name the CA in "
                    + "\(VaultVariables.authorities), or set SB_ENV=dev to mark this as a development profile"
            )
        }
        return "\(variable) turns off the verification of Vault's certificate: \(risk); name the CA in "
            + "\(VaultVariables.authorities) instead"
    }
}
