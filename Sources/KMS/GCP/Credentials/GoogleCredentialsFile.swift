import Cryptography
import JSON
import Settings
import System

/// A credential file: JSON with a `type`. Its strings stay in secret memory, except those that are known not to be secret.
///
/// Source: google-auth 2.62 (`google.auth._default`), and "Credential configuration" of Workload Identity Federation (AIP-4117).
struct GoogleCredentialsFile: Sendable {
    /// The setting that names the file, in messages.
    let name: String
    private let root: JSONValue

    private static let maximumSize = 256 * 1024

    init(path: String, name: String) throws(CloudError) {
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: path, limit: Self.maximumSize)
        } catch {
            throw CloudError(
                .misconfigured, "\(name): the credential file cannot be read: \(error.redactedDescription)")
        }
        var limits = JSONLimits()
        (limits.maximumDepth, limits.maximumValues) = (8, 1000)
        guard let root = try? JSONValue(parsing: content, limits: limits), root.members != nil
        else {
            throw CloudError(
                .misconfigured,
                "\(name): the credential file is not a JSON object; a key file or a credential configuration is expected"
            )
        }
        self.init(root, name: name)
    }

    init(_ root: JSONValue, name: String) {
        self.root = root
        self.name = name
    }

    /// Returns the universe of the file that Application Default Credentials would use, or nil if there is none that can be
    /// read.
    static func universe(_ environment: Environment) -> GoogleUniverse? {
        let path =
            environment.value(GoogleCredentials.fileVariable) ?? GoogleCredentials.wellKnownFile(environment)
        return path.flatMap { try? GoogleCredentialsFile(path: $0, name: "") }?.universe
    }

    /// Nil if the file names something else than a domain.
    var universe: GoogleUniverse? {
        guard let text = text("universe_domain") else { return .standard }
        return GoogleUniverse(text)
    }

    /// The project whose quota requests with these credentials use.
    var quotaProject: String? { text("quota_project_id").flatMap { GCPKeyName.isProject($0) ? $0 : nil } }

    /// Returns the source of tokens that the file describes.
    ///
    /// - Parameter scope: The scope of its tokens.
    func source(
        _ context: GoogleCredentialsContext, scope: String
    ) throws(CloudError) -> any CloudTokenSource {
        switch text("type") {
        case "service_account": return try GoogleServiceAccount(self, context, scope: scope)
        case "authorized_user": return try GoogleAuthorizedUser(self, context)
        case "external_account":
            let isImpersonated = text("service_account_impersonation_url") != nil
            let account = try GoogleExternalAccount(
                self, context, scope: isImpersonated ? GoogleCredentials.impersonationScope : scope)
            guard isImpersonated else { return account }
            return try GoogleImpersonation(
                self, of: account, context, scope: scope,
                lifetime: root["service_account_impersonation"]?["token_lifetime_seconds"]?.int)
        case "impersonated_service_account":
            guard let source = root["source_credentials"], source.members != nil else {
                throw error("has no source_credentials")
            }
            let file = GoogleCredentialsFile(source, name: "\(name), source_credentials")
            guard file.text("type") != "impersonated_service_account" else {
                throw error("impersonates with an impersonated account; list it in delegates instead")
            }
            return try GoogleImpersonation(
                self, of: file.source(context, scope: GoogleCredentials.impersonationScope), context,
                scope: scope, lifetime: nil)
        case "external_account_authorized_user", "gdch_service_account":
            throw error(
                "has the type \(text("type") ?? ""), which is not supported; use a service account, workload identity "
                    + "federation or gcloud auth application-default login")
        case let type?:
            throw error("has the unknown type \(type.sanitizedName)")
        case nil:
            throw error(
                "has no type; a key file of a service account or a credential configuration is expected")
        }
    }

    /// Returns a string that is not a secret, or nil if there is none of at most 2,048 bytes.
    func text(_ key: String, in parent: JSONValue? = nil) -> String? {
        guard let value = (parent ?? root)[key]?.string, (1...2048).contains(value.utf8.count) else {
            return nil
        }
        return value
    }

    func requireText(_ key: String, in parent: JSONValue? = nil) throws(CloudError) -> String {
        guard let text = text(key, in: parent) else { throw error("has no \(key)") }
        return text
    }

    func requireSecret(_ key: String) throws(CloudError) -> SharedSecret {
        guard let secret = root[key]?.nonEmptySecret else { throw error("has no \(key)") }
        return secret
    }

    func secret(_ key: String) -> SharedSecret? { root[key]?.nonEmptySecret }

    subscript(key: String) -> JSONValue? { root[key] }

    /// Returns the URL of a service that gets secrets.
    func requireURL(_ key: String) throws(CloudError) -> CloudURL {
        guard let url = CloudURL(try requireText(key)) else {
            throw error("has a \(key) that is not an https URL")
        }
        return url
    }

    /// - Parameter problem: The problem and its remedy, after the name of the file.
    func error(_ problem: String) -> CloudError {
        CloudError(.misconfigured, "\(name): the credential file \(problem)")
    }
}
