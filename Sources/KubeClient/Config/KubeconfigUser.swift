import Cryptography
import HTTP
import YAML

/// The user of a kubeconfig: its credentials and the user that it impersonates.
///
/// The order of precedence is client-go's: token or tokenFile, then user name and password, then auth-provider or exec. The
/// content of tokenFile takes precedence over token, which is used until the file can be read.
struct KubeconfigUser {
    let fields: KubeconfigFields
    let environment: [String: String]
    /// True if a user can answer a plugin's prompts.
    let isTerminal: Bool

    func clientCertificate() throws(ConfigurationError) -> ClusterConfiguration.ClientCertificate? {
        let certificate = try fields.content("client-certificate")
        let key = try fields.content("client-key")
        switch (certificate, key) {
        case (nil, nil): return nil
        case (.some(let certificate), .some(let key)):
            do throws(TLSClientIdentity.IdentityError) {
                return .init(
                    try TLSClientIdentity(
                        certificate: certificate.bytes.withUnsafeBytes { Array($0) }, key: key))
            } catch {
                let field = error.concernsKey ? "client-key" : "client-certificate"
                throw fields.error(.invalid, fields.contentName(field), error.description)
            }
        case (.some, nil):
            throw fields.error(.invalid, "client-key", "is missing beside client-certificate; add it")
        case (nil, .some):
            throw fields.error(.invalid, "client-certificate", "is missing beside client-key; add it")
        }
    }

    func impersonation() throws(ConfigurationError) -> ClusterConfiguration.Impersonation? {
        let uid = try headerValue("as-uid", fields.string("as-uid"))
        let groups = try fields.strings("as-groups")
        for group in groups { _ = try headerValue("as-groups", group) }
        var extra: [ClusterConfiguration.Impersonation.Extra] = []
        if let mapping = try fields.mapping("as-user-extra") {
            for entry in mapping.node.entries ?? [] {
                let values = try mapping.strings(entry.key)
                for value in values { _ = try headerValue("as-user-extra", value) }
                extra.append(.init(key: entry.key, values: values))
            }
        }
        guard let user = try headerValue("as", fields.string("as")) else {
            guard uid == nil, groups.isEmpty, extra.isEmpty else {
                throw fields.error(
                    .invalid, "as", "is missing beside as-uid, as-groups or as-user-extra; add it")
            }
            return nil
        }
        return .init(user: user, uid: uid, groups: groups, extra: extra)
    }

    /// Returns `value` unchanged if a header may have it. As in kubectl (Go's httpguts.ValidHeaderFieldValue), a control
    /// character other than a tab is an error, and is not replaced.
    private func headerValue(_ field: String, _ value: String?) throws(ConfigurationError) -> String? {
        guard value?.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) != true else {
            throw fields.error(
                .invalid, field,
                "holds a control character, such as a line break, which a header must not contain; remove it")
        }
        return value
    }

    func credentials(cluster: ExecClusterInfo) throws(ConfigurationError) -> any CredentialSource {
        let provider = try fields.mapping("auth-provider").map { provider throws(ConfigurationError) in
            try OIDCProvider(provider, environment: environment)
        }
        let exec = try fields.mapping("exec")
        guard provider == nil || exec == nil else {
            throw fields.error(.invalid, "auth-provider", "and exec exclude each other; remove one")
        }
        let token = try bearer()
        let tokenFile = try fields.string("tokenFile")
        let user = try fields.string("username")
        guard user == nil || token == nil else {
            throw fields.error(.invalid, "token", "and username exclude each other; remove one")
        }
        if let tokenFile {
            return TokenFile(
                path: fields.resolve(tokenFile), fallback: token,
                purpose: "\(fields.qualifiedName("tokenFile")) of \(fields.file)",
                setting: .init(text: tokenFile, inline: "token"))
        }
        if let token { return StaticCredential(authorization: token) }
        if let user {
            guard !user.contains(":") else {
                throw fields.error(
                    .invalid, "username", "contains a colon, which basic authentication cannot send")
            }
            let password = try fields.secret("password") ?? SharedSecret(copying: [])
            return StaticCredential(
                authorization: AuthorizationHeader.basic(user: user, password: password.bytes))
        }
        if let provider { return try provider.credentials() }
        guard let exec else { return StaticCredential.none }
        let plugin = try ExecPlugin(exec, cluster: cluster, environment: environment, isTerminal: isTerminal)
        return ExecCredentialSource(plugin: plugin)
    }

    private func bearer() throws(ConfigurationError) -> SharedSecret? {
        guard let token = try fields.secret("token") else { return nil }
        guard let header = AuthorizationHeader.bearer(token.bytes) else {
            throw fields.error(
                .invalid, "token", "contains characters that a header must not contain; copy it again")
        }
        return header
    }
}
