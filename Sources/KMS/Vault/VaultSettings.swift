import Cryptography

/// Which transit key, in which Vault, and how to log in. Every part was checked.
struct VaultSettings: Sendable {
    let address: ServerAddress
    /// Path of the transit engine; may have slashes.
    var mount: String
    var key: String
    /// Tells two Vaults apart that have the same mount and key.
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

/// How to get a token.
enum VaultAuthentication: Sendable {
    case token(SharedSecret)
    /// Read again when it changes.
    case tokenFile(String)
    case login(VaultLoginMethod, mount: String)
}

/// What a login sends. Files are read at each login, as others replace them.
enum VaultLoginMethod: Sendable {
    /// `jwtFile`: a service account's token.
    case kubernetes(role: String, jwtFile: String)
    case jwt(role: String?, jwtFile: String)
    case appRole(roleID: String, secretID: VaultSecretSource?)

    var name: String {
        switch self {
        case .kubernetes: "kubernetes"
        case .jwt: "jwt"
        case .appRole: "approle"
        }
    }
}

enum VaultSecretSource: Sendable {
    case value(SharedSecret)
    case file(String)
}
