import FoundationEssentials
import Settings
import System

/// The names of the variables, and those of the `vault` and `bao` command lines with the same meaning, which apply where a
/// variable of secrets-bridge is not set.
struct VaultVariables {
    let environment: Environment

    static let address = "SB_KMS_VAULT_ADDR"
    static let key = "SB_KMS_VAULT_KEY"
    static let previousKeys = "SB_KMS_VAULT_KEYS_PREVIOUS"
    static let mount = "SB_KMS_VAULT_MOUNT"
    static let name = "SB_KMS_VAULT_NAME"
    static let namespace = "SB_KMS_VAULT_NAMESPACE"
    static let caFile = "SB_KMS_VAULT_CACERT"
    static let caBytes = "SB_KMS_VAULT_CACERT_BYTES"
    static let caDirectory = "SB_KMS_VAULT_CAPATH"
    static let clientCertificate = "SB_KMS_VAULT_CLIENT_CERT"
    static let clientKey = "SB_KMS_VAULT_CLIENT_KEY"
    static let tlsServerName = "SB_KMS_VAULT_TLS_SERVER_NAME"
    static let skipVerify = "SB_KMS_VAULT_SKIP_VERIFY"
    static let allowHTTP = "SB_KMS_VAULT_ALLOW_HTTP"
    static let authentication = "SB_KMS_VAULT_AUTH"
    static let authenticationMount = "SB_KMS_VAULT_AUTH_MOUNT"
    static let token = "SB_KMS_VAULT_TOKEN"
    static let role = "SB_KMS_VAULT_ROLE"
    static let serviceAccountTokenFile = "SB_KMS_VAULT_SA_TOKEN_FILE"
    static let jwtFile = "SB_KMS_VAULT_JWT_FILE"
    static let roleID = "SB_KMS_VAULT_ROLE_ID"
    static let secretID = "SB_KMS_VAULT_SECRET_ID"

    /// The path at which Kubernetes mounts a pod's token.
    static let defaultServiceAccountTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

    private static let commandLineNames = [
        address: ["BAO_ADDR", "VAULT_ADDR"],
        namespace: ["BAO_NAMESPACE", "VAULT_NAMESPACE"],
        caFile: ["BAO_CACERT", "VAULT_CACERT"],
        caBytes: ["BAO_CACERT_BYTES", "VAULT_CACERT_BYTES"],
        caDirectory: ["BAO_CAPATH", "VAULT_CAPATH"],
        clientCertificate: ["BAO_CLIENT_CERT", "VAULT_CLIENT_CERT"],
        clientKey: ["BAO_CLIENT_KEY", "VAULT_CLIENT_KEY"],
        tlsServerName: ["BAO_TLS_SERVER_NAME", "VAULT_TLS_SERVER_NAME"],
        skipVerify: ["BAO_SKIP_VERIFY", "VAULT_SKIP_VERIFY"],
        token: ["BAO_TOKEN", "VAULT_TOKEN"],
    ]

    /// Returns the value, and the variable that has it.
    func value(_ variable: String) -> (value: String, variable: String)? {
        for candidate in [variable] + (Self.commandLineNames[variable] ?? []) {
            if let value = environment.value(candidate) { return (value, candidate) }
        }
        return nil
    }

    /// Returns the value of a setting in a group. If one of the group has a variable of secrets-bridge, those of the command
    /// lines do not apply.
    func value(_ variable: String, of group: [String]) -> (value: String, variable: String)? {
        guard group.contains(where: { environment.value($0) != nil }) else { return value(variable) }
        return environment.value(variable).map { ($0, variable) }
    }

    /// Returns the token of `SB_KMS_VAULT_TOKEN` or its file.
    func configuredToken() throws(SettingError) -> VaultAuthentication? {
        let file = Self.token + "_FILE"
        guard let path = environment.value(file) else {
            return environment.inlineSecret(Self.token).map { .token($0) }
        }
        guard environment.inlineSecret(Self.token) == nil else {
            throw SettingError(
                variable: Self.token, problem: "is set together with \(file); keep one of them")
        }
        return .tokenFile(path)
    }

    /// Returns the token that the `vault` and `bao` command lines would use.
    func commandLineToken() -> VaultAuthentication? {
        for variable in Self.commandLineNames[Self.token] ?? [] {
            if let token = environment.inlineSecret(variable) { return .token(token) }
        }
        guard let home = environment.value("HOME") else { return nil }
        let path = "\(home)/.vault-token"
        return FileFingerprint(path: path) == nil ? nil : .tokenFile(path)
    }
}
