import FoundationEssentials
import Primitives

/// Names of the variables, and what the `vault` and `bao` command lines call the same thing: where ours is not
/// set, theirs holds.
struct VaultVariables {
    let environment: Environment

    static let address = "SB_KMS_VAULT_ADDR"
    static let key = "SB_KMS_VAULT_KEY"
    static let previousKeys = "SB_KMS_VAULT_KEYS_PREVIOUS"
    static let mount = "SB_KMS_VAULT_MOUNT"
    static let name = "SB_KMS_VAULT_NAME"
    static let namespace = "SB_KMS_VAULT_NAMESPACE"
    static let authorities = "SB_KMS_VAULT_CACERT"
    static let allowHTTP = "SB_KMS_VAULT_ALLOW_HTTP"
    static let authentication = "SB_KMS_VAULT_AUTH"
    static let authenticationMount = "SB_KMS_VAULT_AUTH_MOUNT"
    static let token = "SB_KMS_VAULT_TOKEN"
    static let role = "SB_KMS_VAULT_ROLE"
    static let serviceAccountTokenFile = "SB_KMS_VAULT_SA_TOKEN_FILE"
    static let jwtFile = "SB_KMS_VAULT_JWT_FILE"
    static let roleID = "SB_KMS_VAULT_ROLE_ID"
    static let secretID = "SB_KMS_VAULT_SECRET_ID"

    /// Where Kubernetes puts a pod's token.
    static let defaultServiceAccountTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

    private static let others = [
        address: ["BAO_ADDR", "VAULT_ADDR"],
        namespace: ["BAO_NAMESPACE", "VAULT_NAMESPACE"],
        authorities: ["BAO_CACERT", "VAULT_CACERT"],
        token: ["BAO_TOKEN", "VAULT_TOKEN"],
    ]

    /// The value, and the variable that it stands in.
    func value(_ variable: String) -> (value: String, variable: String)? {
        for candidate in [variable] + (Self.others[variable] ?? []) {
            if let value = environment.value(candidate) { return (value, candidate) }
        }
        return nil
    }

    /// A token that is ours by name: `SB_KMS_VAULT_TOKEN`, or its file.
    func ownToken() throws(SettingError) -> VaultAuthentication? {
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

    /// The token that the `vault` and `bao` command lines would use.
    func commandLineToken() -> VaultAuthentication? {
        for variable in Self.others[Self.token] ?? [] {
            if let token = environment.inlineSecret(variable) { return .token(token) }
        }
        guard let home = environment.value("HOME") else { return nil }
        let path = "\(home)/.vault-token"
        return FileStamp(path: path) == nil ? nil : .tokenFile(path)
    }
}
