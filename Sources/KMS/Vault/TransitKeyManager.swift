import Cryptography
import Envelope
import YAML

/// A key of a transit engine, in HashiCorp Vault or OpenBao. The binding goes along as `context`: a key made
/// with `derived=true` enforces it, another ignores it.
struct TransitKeyManager: KeyManager {
    let keyID: String
    private let session: VaultSession
    private let mount: String
    private let key: String
    private let observer: (any KeyManagerObserver)?

    init(
        _ settings: VaultSettings, session: VaultSession, observer: (any KeyManagerObserver)? = nil
    ) {
        keyID = settings.keyID
        mount = settings.mount
        key = settings.key
        self.session = session
        self.observer = observer
    }

    func accepts(keyID: String) -> Bool { self.keyID.utf8.elementsEqual(keyID.utf8) }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        let data = try await data(
            request(
                "datakey/plaintext",
                ["bits": .int(EnvelopeValidation.dataKeyByteCount * 8), "context": context(binding)]))
        return DataKey(key: try dataKey(in: data), recipient: try recipient(in: data))
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try recipient(
            in: await data(request("encrypt", ["plaintext": .base64(dataKey), "context": context(binding)])))
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        let ciphertext = try parseCiphertext(recipient)
        let data = try await data(decryptRequest(of: recipient, binding))
        return UnwrappedKey(key: try dataKey(in: data), version: ciphertext.version)
    }

    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        _ = try parseCiphertext(recipient)
        return try self.recipient(
            in: await data(
                request("rewrap", ["ciphertext": .string(recipient.wrappedKey), "context": context(binding)]))
        )
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await session.tokens.maintain()
    }
}

extension TransitKeyManager {
    func context(_ binding: Binding) -> JSONValue { .string(Base64.encode(binding.bytes)) }

    /// Errors: `.invalidCiphertext`: nothing that Vault could have wrapped, so nothing is sent.
    func parseCiphertext(_ recipient: Recipient) throws(KeyManagerError) -> TransitCiphertext {
        guard recipient.wrappedKey.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let ciphertext = TransitCiphertext(recipient.wrappedKey)
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key does not have the form vault:v<version>:<base64>")
        }
        return ciphertext
    }

    func request(_ operation: String, _ body: JSONValue) -> VaultRequest {
        VaultRequest(
            path: "\(mount)/\(operation)/\(key)", body: body,
            keyOperation: KeyManagerOperation(transit: operation).map { ($0, items: 1) })
    }

    func decryptRequest(of recipient: Recipient, _ binding: Binding) -> VaultRequest {
        request("decrypt", ["ciphertext": .string(recipient.wrappedKey), "context": context(binding)])
    }

    /// The bytes of a `plaintext` field; its base64 never leaves secret memory.
    func dataKey(in data: YAMLNode?) throws(KeyManagerError) -> SharedSecret {
        guard let text = data?["plaintext"]?.nonEmptySecret else { throw malformedResponse("no plaintext") }
        do {
            return SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw malformedResponse("a plaintext that is not base64")
        }
    }

    func malformedResponse(_ what: String) -> KeyManagerError {
        KeyManagerError(
            .unavailable, keyID: keyID,
            message: "\(session.endpoint) answers with \(what); is it Vault, and is there a proxy before it?")
    }

    /// The answer, whatever its status.
    func send(_ call: VaultRequest) async throws(KeyManagerError) -> VaultResponse {
        let request = call.keyOperation.map {
            KeyManagerRequest($0.operation, keyID: keyID, items: $0.items, observer: observer)
        }
        do {
            let answer = try await session.send(call)
            request?.complete(failures(in: answer, to: call))
            return answer
        } catch {
            let error = KeyManagerError(error, keyID: keyID)
            request?.complete([error.code])
            throw error
        }
    }

    func error(_ answer: VaultResponse, _ call: VaultRequest) -> VaultError {
        answer.error(call.path, at: session.endpoint)
    }

    func itemError(_ item: YAMLNode, _ call: VaultRequest) -> VaultError {
        let refusal = VaultRejection(status: 400, text: item["error"]?.string ?? "")
        return VaultError(.rejected(refusal), refusal.message(call.path, at: session.endpoint))
    }

    private func data(_ call: VaultRequest) async throws(KeyManagerError) -> YAMLNode? {
        let answer = try await send(call)
        guard 200..<300 ~= answer.status else {
            throw KeyManagerError(error(answer, call), keyID: keyID)
        }
        return answer.data
    }

    func recipient(in data: YAMLNode?) throws(KeyManagerError) -> Recipient {
        guard let wrapped = data?["ciphertext"]?.string, TransitCiphertext(wrapped) != nil else {
            throw malformedResponse("no ciphertext of the form vault:v<version>:<base64>")
        }
        return Recipient(keyID: keyID, wrappedKey: wrapped)
    }
}
