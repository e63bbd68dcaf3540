import Envelope
import Settings

/// One kind of KMS: the name of the backend, and how its settings become key managers. A new backend conforms to this in a
/// folder of its own and is listed in `KMSBackends.all`.
protocol KMSBackend {
    /// The name in `SB_KMS_BACKEND`, and the start of most key ids.
    static var name: String { get }

    /// Reads the settings of this backend from the environment. The first key manager wraps and unwraps, the others only
    /// unwrap. Sends no request.
    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager]

    /// Reads the settings of a provider. Sends no request. A backend without providers throws.
    static func keyManager(
        for settings: KeyProviderSettings, _ context: KMSBackendContext
    ) throws(KeyProviderSettingsError) -> any KeyManager
}

/// The values that all backends get besides their own settings.
struct KMSBackendContext {
    /// The settings and credentials of this process. For a provider, those of the credentials alone are read.
    let environment: Environment
    var mode = ProgramMode.commandLine
    /// The identity that logs in to the KMS, or nil for that of this process.
    var identity: (any IdentityTokenSource)?
    /// Gets the requests to the KMS.
    var observer: (any KeyManagerObserver)?
    /// The number of unwraps that will follow, for backends that send batches.
    var backlog = UnwrapBacklog()
}
