import Concurrency
import Cryptography
import Envelope
import HTTP
import JSON
import Settings
import System

/// A key in AWS KMS. For a symmetric key, the binding is sent as encryption context; asymmetric keys have none.
///
/// A recipient's key id is the ARN of the key that wrapped it. Each Decrypt request names that key, so that KMS uses no
/// other.
struct AWSKeyManager: KeyManager {
    let kms: AWSClient
    /// Serves GetCallerIdentity alone, for the account of the credentials.
    let sts: AWSClient
    let identity: Locked<AWSKeyIdentity>
    /// Shares one resolution of the configured key among all callers. Its value is nil for a success.
    let resolution = SingleFlight<AWSRequestError?>()
    let unusableKeys = UnusableKeys<AWSKeyARN>()
    /// True once KMS has shown that the configured key is asymmetric.
    let isAsymmetric = Locked(false)

    init(_ settings: AWSSettings, kms: AWSClient, sts: AWSClient) {
        self.kms = kms
        self.sts = sts
        identity = Locked(
            AWSKeyIdentity(
                settings.key, region: settings.region, isExact: settings.acceptsConfiguredKeyOnly))
    }

    /// The key's ARN. For an alias it is the ARN of the key behind it, once that is known.
    var keyID: String { currentIdentity.keyID }

    func accepts(keyID: String) -> Bool { currentIdentity.sourceKey(of: keyID) != nil }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await withMappedErrors { () throws(AWSRequestError) in
            try await forKeyType { () throws(AWSRequestError) in
                let request = AWSRequest.kms(
                    "GenerateDataKey", key: configuredKeyID,
                    [
                        "KeyId": .string(configuredKeyID), "KeySpec": "AES_256",
                        "EncryptionContext": AWSEncryptionContext.json(binding),
                    ])
                let body = try await kms.send(request).body
                let key = try plaintext(in: body, request)
                guard key.count == EnvelopeValidation.dataKeyByteCount else {
                    throw malformedResponse(request, "a data key of \(key.count) bytes")
                }
                return DataKey(key: key, recipient: try recipient(in: body, request))
            } asymmetric: { () throws(AWSRequestError) in
                // GenerateDataKey is for symmetric keys.
                let key = try randomDataKey()
                return DataKey(key: key, recipient: try await encrypt(key, nil))
            }
        }
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await withMappedErrors { () throws(AWSRequestError) in
            try await forKeyType { () throws(AWSRequestError) in
                try await encrypt(dataKey, binding)
            } asymmetric: { () throws(AWSRequestError) in
                try await encrypt(dataKey, nil)
            }
        }
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try await decrypt(recipient, for: binding, timeout: nil).get()
    }

    /// Uses ReEncrypt: the data key does not leave KMS.
    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        let source = try await sourceKey(of: recipient, timeout: nil)
        return try await withMappedErrors { () throws(AWSRequestError) in
            try await forKeyType { () throws(AWSRequestError) in
                try await reEncrypt(recipient, source, binding, isDestinationAsymmetric: false)
            } asymmetric: { () throws(AWSRequestError) in
                try await reEncrypt(recipient, source, binding, isDestinationAsymmetric: true)
            }
        }
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await unusableKeys.watch(onRecovery: onRecovery)
    }
}

extension AWSKeyManager {
    /// Reads the settings, and finds credentials as the AWS SDKs do. Sends no request before the first use.
    ///
    /// - Parameters:
    ///   - isProvider: True for the key of a provider, which accepts no other key of the account.
    ///   - source: Returns the source of the credentials.
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil,
        transports: any KMSTransports = OwnTransports(), isProvider: Bool = false,
        source: (AWSCredentialsContext) -> any AWSCredentialsSource = { AWSCredentialsChain($0) }
    ) throws(SettingError) -> AWSKeyManager {
        let profiles: AWSProfiles
        do throws(AWSCredentialsError) {
            profiles = try AWSProfiles.load(from: environment)
        } catch {
            let selected = AWSProfiles.selection(in: environment)
            throw SettingError(
                variable: selected?.variable ?? "the AWS configuration (profile default)",
                problem: selected.map {
                    "names the profile \($0.name.sanitizedName), which cannot be used: \(error)"
                } ?? "cannot be used: \(error)")
        }
        var settings = try AWSSettings.load(
            from: environment, profile: profiles.activeSettings, services: profiles.activeServices)
        settings.acceptsConfiguredKeyOnly = isProvider
        return AWSKeyManager(
            settings,
            credentials: try RefreshingAWSCredentials.load(
                from: environment, region: settings.region, tls: settings.tls, transports: transports,
                source: source),
            transport: try transports.transport(
                .aws(acceptsPlainHTTP: settings.acceptsPlainHTTP), settings.tls), observer: observer)
    }

    /// Uses a transport that decides itself which CAs it trusts.
    init(
        _ settings: AWSSettings, credentials: any AWSCredentialsProvider, transport: any HTTPTransport,
        clock: ClientClock = ClientClock(), observer: (any KeyManagerObserver)? = nil
    ) {
        self.init(
            settings,
            kms: AWSClient(
                .kms, in: settings.region, at: settings.kmsAddress, transport: transport,
                credentials: credentials,
                rateLimiter: AWSRateLimiter(maximum: settings.requestsPerSecond, clock: clock), clock: clock,
                observer: observer),
            sts: AWSClient(
                .sts, in: settings.region, at: settings.stsAddress, transport: transport,
                credentials: credentials, clock: clock))
    }
}
