import Envelope
import HTTP

extension TransitKeyManager {
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> TransitKeyManager {
        let settings = try VaultSettings.load(from: environment)
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
