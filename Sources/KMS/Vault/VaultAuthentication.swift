import Cryptography
import Envelope
import Settings
import System

/// The source of the token.
enum VaultAuthentication: Sendable {
    case token(SharedSecret)
    /// A file, which is read again when it changes.
    case tokenFile(String)
    case login(VaultLoginMethod, mount: String)
}

/// The credentials of a login. Files are read at each login, as their contents are replaced.
enum VaultLoginMethod: Sendable {
    case kubernetes(role: String, token: any IdentityTokenSource)
    case jwt(role: String?, token: any IdentityTokenSource)
    case appRole(roleID: String, secretID: VaultSecretSource?)
}

enum VaultSecretSource: Sendable {
    case value(SharedSecret)
    case file(String)
}

extension VaultAuthentication {
    /// Returns the method that `SB_KMS_VAULT_AUTH` names. Without it: the token of `SB_KMS_VAULT_TOKEN`, else Kubernetes auth
    /// with the role of `SB_KMS_VAULT_ROLE`, else the token that the `vault` command line would use.
    static func load(_ variables: VaultVariables) throws(SettingError) -> VaultAuthentication {
        switch variables.value(VaultVariables.authentication)?.value {
        case nil: return try loadUnnamed(variables)
        case "token":
            guard let token = try variables.configuredToken() ?? variables.commandLineToken() else {
                throw SettingError(
                    variable: VaultVariables.token,
                    problem: "is not set, and neither VAULT_TOKEN nor ~/.vault-token exists; set it, or "
                        + "\(VaultVariables.token)_FILE to a file that holds the token")
            }
            return token
        case "kubernetes": return try kubernetes(variables)
        case "approle": return try appRole(variables)
        case "jwt": return try jwt(variables)
        case .some(let other):
            throw SettingError(
                variable: VaultVariables.authentication,
                problem: "is \"\(other.sanitizedName)\"; token, kubernetes, approle or jwt is expected")
        }
    }

    private static func loadUnnamed(_ variables: VaultVariables) throws(SettingError) -> VaultAuthentication {
        if let token = try variables.configuredToken() { return token }
        if variables.value(VaultVariables.role) != nil { return try kubernetes(variables) }
        if let token = variables.commandLineToken() { return token }
        throw SettingError(
            variable: VaultVariables.role,
            problem: "is not set, nor is a token: set it to the role of Vault's Kubernetes auth, for example "
                + "secrets-bridge, or set \(VaultVariables.token) (or _FILE), or choose approle or jwt with "
                + VaultVariables.authentication)
    }

    private static func kubernetes(_ variables: VaultVariables) throws(SettingError) -> VaultAuthentication {
        guard let role = try role(variables) else {
            throw SettingError(
                variable: VaultVariables.role,
                problem: "is not set; Kubernetes auth needs the name of a role, for example: secrets-bridge")
        }
        return .login(
            .kubernetes(role: role, token: serviceAccountToken(variables)),
            mount: try mount(variables, default: "kubernetes"))
    }

    private static func jwt(_ variables: VaultVariables) throws(SettingError) -> VaultAuthentication {
        let file =
            variables.value(VaultVariables.jwtFile) ?? variables.value(VaultVariables.serviceAccountTokenFile)
        let path = file?.value ?? VaultVariables.defaultServiceAccountTokenFile
        let token = IdentityTokenFile(
            path: path, name: "the JWT for Vault", setting: VaultVariables.jwtFile)
        return .login(
            .jwt(role: try role(variables), token: token), mount: try mount(variables, default: "jwt"))
    }

    private static func serviceAccountToken(_ variables: VaultVariables) -> IdentityTokenFile {
        let variable = VaultVariables.serviceAccountTokenFile
        return IdentityTokenFile(
            path: variables.value(variable)?.value ?? VaultVariables.defaultServiceAccountTokenFile,
            name: "the service account's token", setting: variable)
    }

    private static func appRole(_ variables: VaultVariables) throws(SettingError) -> VaultAuthentication {
        guard let roleID = variables.value(VaultVariables.roleID)?.value else {
            throw SettingError(
                variable: VaultVariables.roleID,
                problem: "is not set; AppRole needs it (vault read auth/approle/role/<role>/role-id)")
        }
        guard roleID.utf8.count <= 4096, roleID.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) else {
            throw SettingError(
                variable: VaultVariables.roleID, problem: "is not a role id (printable ASCII is expected)")
        }
        let file = VaultVariables.secretID + "_FILE"
        let inline = variables.environment.inlineSecret(VaultVariables.secretID)
        let source: VaultSecretSource?
        if let path = variables.environment.value(file) {
            guard inline == nil else {
                throw SettingError(
                    variable: VaultVariables.secretID,
                    problem: "is set together with \(file); keep one of them")
            }
            source = .file(path)
        } else {
            source = inline.map { .value($0) }
        }
        return .login(
            .appRole(roleID: roleID, secretID: source), mount: try mount(variables, default: "approle"))
    }

    private static func role(_ variables: VaultVariables) throws(SettingError) -> String? {
        guard let (role, variable) = variables.value(VaultVariables.role) else { return nil }
        guard URLPath.isSegment(role) else {
            throw SettingError(
                variable: variable, problem: "is not the name of a role (A-Z a-z 0-9 - _ .)")
        }
        return role
    }

    /// Accepts the mount as `vault auth list` prints it, and paths of the API, which begin with `auth/` or `v1/auth/` and may end
    /// in `/login`.
    private static func mount(
        _ variables: VaultVariables, default name: String
    ) throws(SettingError) -> String {
        let endsInSlash = variables.value(VaultVariables.authenticationMount)?.value.hasSuffix("/") ?? false
        return try VaultSettings.path(variables, VaultVariables.authenticationMount, example: name) { path in
            var parts = path.split(separator: "/", omittingEmptySubsequences: false)[...]
            if parts.count > 1, parts.first == "v1", parts.dropFirst().first == "auth" { parts.removeFirst() }
            // A single "auth" is the name of a mount, unless a slash shows that the name is missing.
            if parts.first == "auth", parts.count > 1 || endsInSlash { parts.removeFirst() }
            if parts.count > 1, parts.last == "login" { parts.removeLast() }
            return URLPath.trimmingSlashes(parts.joined(separator: "/"))
        } ?? name
    }
}
