import Envelope
import HTTP

extension TransitKeyManager {
    /// The key of `SB_KMS_VAULT_KEY`, then those of `SB_KMS_VAULT_KEYS_PREVIOUS`. Each logs in by itself.
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> [TransitKeyManager] {
        let present = try VaultSettings.load(from: environment)
        return ([present] + (try present.previous(from: environment))).map { make($0, observer) }
    }

    private static func make(
        _ settings: VaultSettings, _ observer: (any KeyManagerObserver)?
    ) -> TransitKeyManager {
        var configuration = HTTPClientConfiguration()
        if let path = settings.authorities { configuration.trust = .file(path) }
        if settings.address.isPlainHTTP { configuration.plainHTTP = .always }
        return TransitKeyManager(settings, transport: CurlClient(configuration), observer: observer)
    }

    /// Through a transport of the caller's, which brings its own trust.
    init(
        _ settings: VaultSettings, transport: any HTTPTransport,
        observer: (any KeyManagerObserver)? = nil
    ) {
        let client = VaultClient(
            VaultLocation(address: settings.address, namespace: settings.namespace), transport: transport)
        let tokens: any VaultTokenSource =
            switch settings.authentication {
            case .token(let value):
                RenewedVaultToken(base: StaticVaultToken(value: value), client: client)
            case .tokenFile(let path): RenewedVaultToken(base: VaultTokenFile(path: path), client: client)
            case .login(let method, let mount): VaultLogin(method, mount: mount, client: client)
            }
        self.init(settings, session: VaultSession(client: client, tokens: tokens), observer: observer)
    }
}
