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

    /// Reads the settings of a provider. Sends no request.
    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager
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
