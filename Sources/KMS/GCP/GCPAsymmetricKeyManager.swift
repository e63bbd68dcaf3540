import Concurrency
import Cryptography
import Envelope
import HTTP
import HTTPTypes
import JSON
import System

/// A version of an asymmetric key in Google Cloud KMS, with the purpose ASYMMETRIC_DECRYPT and an algorithm
/// RSA_DECRYPT_OAEP_*_SHA256. Cloud KMS only decrypts; this process encrypts with the public key. Nothing binds a wrapped key to
/// its place at the KMS.
///
/// Source: Cloud KMS REST reference, `cryptoKeyVersions.asymmetricDecrypt` and `cryptoKeyVersions.getPublicKey`.
struct GCPAsymmetricKeyManager: KeyManager {
    let version: GCPKeyVersionName
    let kms: CloudClient
    /// By key version.
    private let unusableVersions = UnusableKeys<String>()
    /// The public key, once it was read: that of a version never changes.
    private let knownKey = Locked<RecipientKey?>(nil)

    static let viewPermission = "cloudkms.cryptoKeyVersions.viewPublicKey"
    private static let algorithms = ["RSA_DECRYPT_OAEP_3072_SHA256", "RSA_DECRYPT_OAEP_4096_SHA256"]

    init(
        _ settings: GCPSettings, version: GCPKeyVersionName, transport: any HTTPTransport,
        tokens: any CloudTokenProvider, observer: (any KeyManagerObserver)? = nil,
        clock: ClientClock = ClientClock()
    ) {
        self.version = version
        kms = CloudClient(
            GCPService(settings), transport: transport, tokens: tokens, observer: observer, clock: clock)
    }

    var keyID: String { version.keyID }

    /// Accepts all versions of the configured key.
    func accepts(keyID: String) -> Bool { version.version(inKeyID: keyID) != nil }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await RecipientKeyManager(try await exportPublicKey()).generateDataKey(for: binding)
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await RecipientKeyManager(try await exportPublicKey()).wrap(dataKey, for: binding)
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try await decrypt(recipient, timeout: nil).get()
    }

    /// Returns a recipient of the configured version as it is, and wraps the data key of another one for that version.
    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        guard !recipient.keyID.utf8.elementsEqual(keyID.utf8) else { return recipient }
        return try await wrap(unwrap(recipient, for: binding).key, for: binding)
    }
}

extension GCPAsymmetricKeyManager: SingleUnwrapping, MaintainedKeyManager {
    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        _ = try wrappedKey(in: request.recipient)
    }

    func unwrap(
        _ request: UnwrapRequest, timeout: Duration?
    ) async throws(KeyManagerError) -> UnwrapResult {
        try await decrypt(request.recipient, timeout: timeout)
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await unusableVersions.watch(onRecovery: onRecovery)
    }

    /// Rejects a recipient that Cloud KMS could not decrypt either, without a request.
    private func wrappedKey(
        in recipient: Recipient
    ) throws(KeyManagerError) -> (version: GCPKeyVersionName, bytes: [UInt8]) {
        guard let version = version.version(inKeyID: recipient.keyID) else {
            throw KeyManagerError(
                .keyUnavailable, keyID: keyID,
                message: "another key wrapped the data key; configure that key, or wrap the values again",
                concernsOneCiphertext: true)
        }
        guard let bytes = try? Base64.decode(recipient.wrappedKey), recipient.usesPublicKey,
            RecipientAlgorithm.isRSALength(bytes.count)
        else { throw .algorithmMismatch(recipient, keyID: recipient.keyID) }
        return (version, bytes)
    }

    /// - Returns: The data key, or an error of this recipient alone.
    /// - Throws: An error that concerns all recipients, such as an outage of Cloud KMS.
    private func decrypt(
        _ recipient: Recipient, timeout: Duration?
    ) async throws(KeyManagerError) -> Result<UnwrappedKey, KeyManagerError> {
        let wrapped: (version: GCPKeyVersionName, bytes: [UInt8])
        do throws(KeyManagerError) {
            wrapped = try wrappedKey(in: recipient)
        } catch {
            return .failure(error)
        }
        let number = wrapped.version.number
        do throws(CloudError) {
            let key = try await decrypt(wrapped.bytes, by: wrapped.version, timeout: timeout)
            unusableVersions.recordSuccess(number)
            return .success(UnwrappedKey(key: key, keyVersion: number))
        } catch {
            if error.code == .keyUnavailable { unusableVersions.recordUnusable(number) }
            guard !error.concernsAllRequests else { throw KeyManagerError(error, keyID: keyID) }
            return .failure(
                KeyManagerError(
                    error, keyID: keyID, concernsOneCiphertext: number != version.number))
        }
    }

    private func decrypt(
        _ ciphertext: [UInt8], by version: GCPKeyVersionName, timeout: Duration?
    ) async throws(CloudError) -> SharedSecret {
        var request = CloudRequest(
            path: "/v1/\(version.text):asymmetricDecrypt",
            body: [
                "ciphertext": .string(Base64.encode(ciphertext)),
                "ciphertextCrc32c": .string("\(CRC32C.checksum(ciphertext))"),
            ], action: "cloudkms.cryptoKeyVersions.useToDecrypt", resource: version.text, operation: .unwrap)
        if let timeout { request.timeout = timeout }
        let sent = request
        return try await kms.send(sent) { response throws(CloudError) in
            guard response.body?["verifiedCiphertextCrc32c"]?.bool == true else {
                throw kms.corruptedGCPResponse(sent)
            }
            return try kms.gcpPlaintext(in: response.body, sent)
        }
    }
}

extension GCPAsymmetricKeyManager: PublicKeyExporting {
    /// Reads the public key once, which needs `cloudkms.cryptoKeyVersions.viewPublicKey`.
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey {
        if let key = knownKey.withLock({ $0 }) { return key }
        let request = CloudRequest(
            method: .get, path: "/v1/\(version.text)/publicKey", action: Self.viewPermission,
            resource: version.text)
        let key: RecipientKey
        do throws(CloudError) {
            key = try await kms.send(request) { response throws(CloudError) in
                try publicKey(in: response.body, request)
            }
        } catch {
            throw KeyManagerError(error, keyID: keyID)
        }
        knownKey.withLock { $0 = key }
        return key
    }

    private func publicKey(in body: JSONValue?, _ request: CloudRequest) throws(CloudError) -> RecipientKey {
        guard let name = body?["name"]?.string, name.utf8.elementsEqual(version.text.utf8) else {
            throw kms.wrongGCPKeyError(request)
        }
        guard let algorithm = body?["algorithm"]?.string, Self.algorithms.contains(algorithm) else {
            throw CloudError(
                .misconfigured,
                "\(version.text) is not a key for decryption with RSA-OAEP and SHA-256; create one with the purpose "
                    + "asymmetric-encryption and the algorithm rsa-decrypt-oaep-3072-sha256 or rsa-decrypt-oaep-4096-sha256"
            )
        }
        guard let pem = body?["pem"]?.string else { throw kms.malformedGCPResponse(request, "no pem") }
        guard GCPKeyManager.checksum(body?["pemCrc32c"]) == CRC32C.checksum(Array(pem.utf8)) else {
            throw kms.corruptedGCPResponse(request)
        }
        do {
            return try RecipientKey(keyID: keyID, keyVersion: nil, publicKey: try RSAPublicKey(pem: pem))
        } catch {
            throw kms.malformedGCPResponse(request, "a public key that is not usable (\(error))")
        }
    }
}

extension GCPAsymmetricKeyManager: GCPSelfTesting {
    static var wrappingPermission: String { "viewPublicKey" }

    func decryptRandomBytes() async throws {
        _ = try await decrypt(try randomBytes(count: 384), by: version, timeout: nil)
    }
}
