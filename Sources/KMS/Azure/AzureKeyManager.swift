import Cryptography
import Envelope
import FoundationEssentials
import HTTP
import JSON
import System

/// A key in Azure Key Vault or Managed HSM, which wraps and unwraps data keys.
///
/// Azure's wrapping has no associated data, so that Azure does not see the binding: a wrapped key is bound to its place by the
/// MAC and by the associated data of the values alone. Each version of a key is a key of its own. A recipient's key id names the
/// version that wrapped it, and only that version unwraps it.
struct AzureKeyManager: KeyManager {
    let key: AzureKey
    let client: CloudClient
    let unusableVersions = UnusableKeys<String>()
    let configuredVersion: String?
    private let state = Locked(State())

    private struct State {
        /// The version that wrapped the last data key.
        var currentVersion: String?
        /// The algorithm that the key accepted, or nil before the first data key.
        var algorithm: AzureWrapAlgorithm?
    }

    static let apiVersion = "7.4"

    init(
        _ settings: AzureSettings, credentials: AzureCredentials, transport: any HTTPTransport,
        clock: ClientClock = ClientClock(), observer: (any KeyManagerObserver)? = nil
    ) {
        key = settings.key
        configuredVersion = settings.keyVersion
        let service = AzureKeyVaultService(vault: settings.key.vault)
        client = CloudClient(
            service, transport: transport,
            tokens: AzureTokens(
                AzureVaultTokenSource(
                    service, key: settings.key, transport: transport, credentials: credentials),
                now: clock.now),
            observer: observer, clock: clock)
    }

    /// The key id with the configured version, or with the newest one once that is known.
    var keyID: String { wrappingVersion.map { key.keyID(version: $0) } ?? key.keyID }

    /// Accepts all versions of the configured key, and nothing else.
    func accepts(keyID: String) -> Bool { key.version(inKeyID: keyID) != nil }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        let dataKey: SharedSecret
        do throws(CryptoError) {
            dataKey = SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount))
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "cannot generate a data key: \(error)")
        }
        return DataKey(key: dataKey, recipient: try await wrap(dataKey, as: .generateDataKey))
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await wrap(dataKey, as: .wrap)
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try await decrypt(recipient, timeout: nil).get()
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await unusableVersions.watch(onRecovery: onRecovery)
    }

    var wrappingVersion: String? { configuredVersion ?? state.withLock { $0.currentVersion } }

    /// A managed HSM has symmetric and RSA keys. Which one this is shows when the HSM rejects the other's algorithm.
    private func wrap(
        _ dataKey: SharedSecret, as operation: KeyManagerOperation
    ) async throws(KeyManagerError) -> Recipient {
        let known = state.withLock { $0.algorithm }
        let algorithm = known ?? (key.vault.isManagedHSM ? .a256KW : .rsaOAEP256)
        do throws(CloudError) {
            return try await wrap(dataKey, with: algorithm, as: operation)
        } catch {
            guard known == nil, algorithm == .a256KW, error.code == .misconfigured,
                !error.concernsAllRequests
            else { throw KeyManagerError(error, keyID: keyID) }
            do throws(CloudError) {
                return try await wrap(dataKey, with: .rsaOAEP256, as: operation)
            } catch {
                throw KeyManagerError(error, keyID: keyID)
            }
        }
    }

    private func wrap(
        _ dataKey: SharedSecret, with algorithm: AzureWrapAlgorithm, as operation: KeyManagerOperation
    ) async throws(CloudError) -> Recipient {
        var encoded = SecretBuffer(capacity: 64)
        dataKey.bytes.withUnsafeBytes { encoded.appendBase64URL($0) }
        guard let text = SecretText(SharedSecret(encoded.finish())) else {
            throw CloudError(.misconfigured, "the data key cannot be encoded")
        }
        // Without a version, the newest one wraps.
        let request = CloudRequest(
            path: path(configuredVersion, "wrapkey"),
            body: ["alg": .string(algorithm.rawValue), "value": .secret(text)], action: "wrapKey",
            resource: key.url, operation: operation)
        let recipient = try await client.send(request) { response throws(CloudError) in
            let version = try self.version(in: response, request)
            guard configuredVersion == nil || version == configuredVersion else {
                throw wrongKeyError(request)
            }
            let wrapped = try value(in: response, request).bytes.withUnsafeBytes { Array($0) }
            guard algorithm.canProduce(wrapped.count) else {
                throw malformedResponse(request, "\(wrapped.count) bytes")
            }
            return Recipient(keyID: key.keyID(version: version), wrappedKey: Base64.encode(wrapped))
        }
        state.withLock { state in
            state.algorithm = algorithm
            state.currentVersion = key.version(inKeyID: recipient.keyID)
        }
        return recipient
    }

    func path(_ version: String?, _ operation: String) -> String {
        "/keys/\(key.name)/" + (version.map { "\($0)/" } ?? "")
            + "\(operation)?api-version=\(Self.apiVersion)"
    }
}

/// An algorithm that wraps data keys. Its raw value is `alg` in requests.
enum AzureWrapAlgorithm: String, Sendable {
    case rsaOAEP256 = "RSA-OAEP-256"
    case a256KW = "A256KW"

    /// Returns true for the length of a wrapped data key in bytes: that of an RSA key of 2048, 3072 or 4096 bits, or 8 bytes
    /// more than the data key.
    func canProduce(_ count: Int) -> Bool {
        switch self {
        case .rsaOAEP256: [256, 384, 512].contains(count)
        case .a256KW: count == EnvelopeValidation.dataKeyByteCount + 8
        }
    }

    /// Returns the algorithm that made a wrapped data key of this length in a vault of this kind.
    static func algorithm(ofWrappedKey count: Int, in vault: AzureVault) -> AzureWrapAlgorithm? {
        if AzureWrapAlgorithm.rsaOAEP256.canProduce(count) { return .rsaOAEP256 }
        return vault.isManagedHSM && AzureWrapAlgorithm.a256KW.canProduce(count) ? .a256KW : nil
    }
}
