import Envelope
import Settings

/// One kind of KMS: the name of the backend, and how its settings become key managers. A new backend conforms to this in a
/// folder of its own and is listed in `KMSBackends.all`.
protocol KMSBackend: Sendable {
    /// The name in `SB_KMS_BACKEND`, and the start of most key ids.
    static var name: String { get }

    /// Reads the settings of this backend from the environment. The first key manager wraps and unwraps, the others only
    /// unwrap. Sends no request.
    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager]

    /// The fields of a ClusterKeyProvider that this backend reads, each with the variable of the same meaning. Empty if the
    /// backend is not offered there.
    static var providerFields: [String: String] { get }

    /// Checks that a user's credentials are sent to no server that the provider alone names: the provider may come from a file
    /// or a cluster that the user does not trust. Ignores values that are invalid, which `keyManager` reports.
    ///
    /// - Parameter user: The settings and credentials of the user.
    static func checkServers(
        of provider: ProviderEnvironment, for user: Environment
    ) throws(KeyProviderSettingsError)

    /// Reads the settings of a provider. Sends no request.
    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager
}

extension KMSBackend {
    static func checkServers(
        of provider: ProviderEnvironment, for user: Environment
    ) throws(KeyProviderSettingsError) {}
}

extension KeyProviderSettingsError {
    /// The provider names a server that a user's credentials would be sent to, and the user's settings do not.
    ///
    /// - Parameters:
    ///   - own: The value of the user's variable, or nil if it is not set.
    static func untrustedServer(
        _ server: String, field: String, variable: String, own: String?
    ) -> KeyProviderSettingsError {
        KeyProviderSettingsError(
            "\(variable) is \(own ?? "not set"), and the provider's \(field) is \(server); set \(variable) to that if "
                + "your credentials may be sent there")
    }
}

/// The values that all backends get besides their own settings.
struct KMSBackendContext {
    /// The settings and credentials of this process.
    let environment: Environment
    var mode = ProgramMode.commandLine
    /// The identity that logs in to the KMS for a provider, or nil for that of this process.
    var identity: (any IdentityTokenSource)?
    /// Gets the requests to the KMS.
    var observer: (any KeyManagerObserver)?
    /// The number of unwraps that will follow, for backends that send batches.
    var backlog = UnwrapBacklog()
    /// The connections to the KMS and to the services that give out its credentials.
    var transports: any KMSTransports = OwnTransports()
    /// Gets one line for each setting that works and is a risk, such as unverified certificates.
    var warn: @Sendable (String) -> Void = { _ in }
}

extension KMSBackendContext {
    /// True if providers are used with the credentials of the user who has started this process.
    var usesCredentialsOfUser: Bool { mode == .commandLine && identity == nil }

    /// Checks a setting that allows plain http to other machines, which a user may take for one command.
    ///
    /// - Throws: `SettingError` if it is set in a controller, unless SB_ENV=dev marks a development profile.
    func checkPlainHTTP(_ variable: String) throws(SettingError) {
        guard mode == .controller, environment.value(variable)?.lowercased() == "true",
            !environment.isDevelopmentProfile
        else { return }
        throw SettingError(
            variable: variable,
            problem:
                "is refused by the controller: anyone on the network can read tokens and data keys in plain http; unset "
                + "it and use https, or set SB_ENV=dev to mark this as a development profile")
    }
}

/// The settings of a provider as variables, so that they are validated as those of the process are.
struct ProviderEnvironment {
    /// Has the fields of the provider, and nothing of this process.
    let settings: Environment
}

/// The backends of this program. The order is that of messages.
enum KMSBackends {
    static let all: [any KMSBackend.Type] = [
        LocalBackend.self, VaultBackend.self, AWSBackend.self, GCPBackend.self, AzureBackend.self,
    ]

    static func named(_ name: String) -> (any KMSBackend.Type)? { all.first { $0.name == name } }

    /// `local, vault-transit, aws-kms or azure-key-vault`
    static var list: String {
        let names = all.map { $0.name }
        return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }
}
