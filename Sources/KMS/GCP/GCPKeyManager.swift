import Concurrency
import Cryptography
import Envelope
import HTTP
import JSON

/// A symmetric key in Google Cloud KMS. The binding is sent as additional authenticated data. Checksums in both directions
/// find bits that change on the way: Cloud KMS does not know whether a data key that it wraps is the one that was sent.
///
/// Source: Cloud KMS REST reference, `cryptoKeys.encrypt` and `cryptoKeys.decrypt`; "Verifying end-to-end data integrity".
struct GCPKeyManager: KeyManager {
    let key: GCPKeyName
    let kms: CloudClient
    let primaryVersion: GCPPrimaryVersion
    /// By wrapped key: a response does not say which version unwrapped it.
    let unusableCiphertexts = UnusableKeys<String>()

    init(
        _ settings: GCPSettings, key: GCPKeyName, transport: any HTTPTransport,
        tokens: any CloudTokenProvider,
        observer: (any KeyManagerObserver)? = nil, clock: ClientClock = ClientClock()
    ) {
        self.key = key
        kms = CloudClient(
            GCPService(settings), transport: transport, tokens: tokens, observer: observer, clock: clock)
        primaryVersion = GCPPrimaryVersion(of: key, kms, now: clock.now)
    }

    var keyID: String { key.keyID }

    /// Makes the manager of the key of the settings, which its setting shows to be symmetric or asymmetric.
    static func make(
        _ settings: GCPSettings, transport: any HTTPTransport, tokens: any CloudTokenProvider,
        observer: (any KeyManagerObserver)?, backlog: UnwrapBacklog
    ) -> any KeyManager {
        switch settings.key {
        case .symmetric(let key):
            BatchingKeyManager(
                GCPKeyManager(settings, key: key, transport: transport, tokens: tokens, observer: observer),
                backlog: backlog)
        case .asymmetric(let version):
            BatchingKeyManager(
                GCPAsymmetricKeyManager(
                    settings, version: version, transport: transport, tokens: tokens, observer: observer),
                backlog: backlog)
        }
    }

    func accepts(keyID: String) -> Bool { keyID.utf8.elementsEqual(self.keyID.utf8) }

    /// Generates the data key in this process: Cloud KMS has no request for it.
    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        let dataKey: SharedSecret
        do throws(CryptoError) {
            dataKey = SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount))
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "cannot generate a data key: \(error)")
        }
        return DataKey(key: dataKey, recipient: try await encrypt(dataKey, for: binding, .generateDataKey))
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await encrypt(dataKey, for: binding, .wrap)
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        try check(recipient)
        return try await unwrap(recipient, for: binding, timeout: nil).get()
    }

    /// Returns the recipient as it is if the primary version wrapped it, and else wraps the data key with that version.
    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try check(recipient)
        let decrypted = try await withMappedErrors { () throws(CloudError) in
            try await decrypt(recipient, for: binding, timeout: nil)
        }
        guard !decrypted.usedPrimary else { return recipient }
        return try await encrypt(decrypted.key, for: binding, .rewrap)
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await unusableCiphertexts.watch(onRecovery: onRecovery)
    }

    private func encrypt(
        _ dataKey: SharedSecret, for binding: Binding, _ operation: KeyManagerOperation
    ) async throws(KeyManagerError) -> Recipient {
        let checksum = dataKey.bytes.withUnsafeBytes { CRC32C.checksum($0) }
        let request = CloudRequest(
            path: "/v1/\(key.text):encrypt",
            body: .object(
                [("plaintext", .base64(dataKey)), ("plaintextCrc32c", .string("\(checksum)"))]
                    + Self.associatedData(of: binding)), action: "cloudkms.cryptoKeyVersions.useToEncrypt",
            resource: key.text, operation: operation)
        return try await withMappedErrors { () throws(CloudError) in
            try await kms.send(request) { response throws(CloudError) in
                try recipient(in: response.body, request)
            }
        }
    }

    static func associatedData(of binding: Binding) -> [(key: String, value: JSONValue)] {
        let bytes = binding.bytes
        return [
            ("additionalAuthenticatedData", .string(Base64.encode(bytes))),
            ("additionalAuthenticatedDataCrc32c", .string("\(CRC32C.checksum(bytes))")),
        ]
    }

    private func recipient(in body: JSONValue?, _ request: CloudRequest) throws(CloudError) -> Recipient {
        guard let name = body?["name"]?.string, key.versionNumber(name) != nil else {
            throw wrongKeyError(request)
        }
        guard body?["verifiedPlaintextCrc32c"]?.bool == true,
            body?["verifiedAdditionalAuthenticatedDataCrc32c"]?.bool == true
        else {
            throw CloudError(
                .corrupted,
                "\(kms.service.name) did not confirm the checksums of \(request.action), so that another data key may be "
                    + "wrapped; check that no proxy changes requests")
        }
        guard let wrapped = body?["ciphertext"]?.string, !wrapped.isEmpty,
            wrapped.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let ciphertext = try? Base64.decode(wrapped)
        else { throw malformedResponse(request, "no ciphertext") }
        guard Self.checksum(body?["ciphertextCrc32c"]) == CRC32C.checksum(ciphertext) else {
            throw corruptedResponse(request)
        }
        return Recipient(keyID: keyID, wrappedKey: wrapped)
    }
}

/// Reads Cloud KMS's responses.
extension GCPKeyManager {
    /// Reads a checksum, an int64 that JSON has as a string.
    static func checksum(_ value: JSONValue?) -> UInt32? {
        value?.int.flatMap { UInt32(exactly: $0) } ?? value?.string.flatMap { UInt32($0) }
    }

    func corruptedResponse(_ request: CloudRequest) -> CloudError { kms.corruptedGCPResponse(request) }

    func malformedResponse(_ request: CloudRequest, _ content: String) -> CloudError {
        kms.malformedGCPResponse(request, content)
    }

    func wrongKeyError(_ request: CloudRequest) -> CloudError { kms.wrongGCPKeyError(request) }

    func withMappedErrors<Value>(
        _ body: () async throws(CloudError) -> Value
    ) async throws(KeyManagerError) -> Value {
        do {
            return try await body()
        } catch {
            throw KeyManagerError(error, keyID: keyID)
        }
    }
}

/// The errors of responses that Cloud KMS would not send.
extension CloudClient {
    func corruptedGCPResponse(_ request: CloudRequest) -> CloudError {
        CloudError(
            .corrupted,
            "the response of \(service.name) to \(request.action) was changed on its way (CRC-32C mismatch), again "
                + "after retries; check the proxy and this machine's memory")
    }

    func wrongGCPKeyError(_ request: CloudRequest) -> CloudError {
        CloudError(
            .wrongKey,
            "\(service.address.url) used another key for \(request.action) than \(request.resource ?? "the requested one"); check that this address "
                + "is Cloud KMS")
    }

    func malformedGCPResponse(_ request: CloudRequest, _ content: String) -> CloudError {
        CloudError(
            .unavailable,
            "\(service.address.url) responds to \(request.action) with \(content); check that this address is Cloud "
                + "KMS, and that no proxy changes responses")
    }
}
