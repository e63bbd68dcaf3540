import Envelope
import HTTP

extension TransitKeyManager {
    /// The key of `SB_KMS_VAULT_KEY`, then those of `SB_KMS_VAULT_KEYS_PREVIOUS`. Each logs in by itself.
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> [TransitKeyManager] {
        let present = try VaultSettings.load(from: environment)
        return try ([present] + (try present.previousKeySettings(from: environment))).map {
            settings throws(SettingError) in
            try make(settings, observer)
        }
    }

    private static func make(
        _ settings: VaultSettings, _ observer: (any KeyManagerObserver)?
    ) throws(SettingError) -> TransitKeyManager {
        var configuration = HTTPClientConfiguration()
        if settings.address.isPlainHTTP { configuration.plainHTTP = .always }
        let transport = try ReloadingTransport(configuration, settings.tls)
        return TransitKeyManager(settings, transport: transport, observer: observer)
    }

    /// Through a transport of the caller's, which brings its own trust.
    init(
        _ settings: VaultSettings, transport: any HTTPTransport,
        observer: (any KeyManagerObserver)? = nil
    ) {
        let client = VaultClient(
            VaultEndpoint(address: settings.address, namespace: settings.namespace), transport: transport)
        let tokens: any VaultTokenSource =
            switch settings.authentication {
            case .token(let value):
                RenewingVaultTokenSource(base: StaticVaultTokenSource(value: value), client: client)
            case .tokenFile(let path):
                RenewingVaultTokenSource(base: VaultTokenFileSource(path: path), client: client)
            case .login(let method, let mount): VaultLoginTokenSource(method, mount: mount, client: client)
            }
        self.init(settings, session: VaultSession(client: client, tokens: tokens), observer: observer)
    }
}
