import Envelope
import Primitives
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
            call(
                "datakey/plaintext",
                ["bits": .int(EnvelopeRules.dataKeyCount * 8), "context": context(binding)]))
        return DataKey(key: try dataKey(in: data), recipient: try recipient(in: data))
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try recipient(
            in: await data(call("encrypt", ["plaintext": .base64(dataKey), "context": context(binding)])))
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        let ciphertext = try check(recipient)
        let data = try await data(decryption(of: recipient, binding))
        return UnwrappedKey(key: try dataKey(in: data), version: ciphertext.version)
    }

    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        _ = try check(recipient)
        return try self.recipient(
            in: await data(
                call("rewrap", ["ciphertext": .string(recipient.wrappedKey), "context": context(binding)])))
    }

    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await session.tokens.maintain()
    }
}

extension TransitKeyManager {
    func context(_ binding: Binding) -> YAMLValue { .string(Base64.encode(binding.bytes)) }

    /// Errors: `.invalidCiphertext`: nothing that Vault could have wrapped, so nothing is sent.
    func check(_ recipient: Recipient) throws(KeyManagerError) -> TransitCiphertext {
        guard recipient.wrappedKey.utf8.count <= EnvelopeRules.maximumWrappedKey,
            let ciphertext = TransitCiphertext(recipient.wrappedKey)
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key does not have the form vault:v<version>:<base64>")
        }
        return ciphertext
    }

    func call(_ operation: String, _ body: YAMLValue) -> VaultCall {
        VaultCall(
            path: "\(mount)/\(operation)/\(key)", body: body,
            purpose: KeyManagerOperation(transit: operation).map { ($0, items: 1) })
    }

    func decryption(of recipient: Recipient, _ binding: Binding) -> VaultCall {
        call("decrypt", ["ciphertext": .string(recipient.wrappedKey), "context": context(binding)])
    }

    /// The bytes of a `plaintext` field; its base64 never leaves secret memory.
    func dataKey(in data: Node?) throws(KeyManagerError) -> SharedSecret {
        guard let text = data?["plaintext"]?.secret else { throw malformed("no plaintext") }
        do {
            return SharedSecret(
                try text.bytes.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw malformed("a plaintext that is not base64")
        }
    }

    func malformed(_ what: String) -> KeyManagerError {
        KeyManagerError(
            .unavailable, keyID: keyID,
            message: "\(session.location) answers with \(what); is it Vault, and is there a proxy before it?")
    }

    /// The answer, whatever its status.
    func exchange(_ call: VaultCall) async throws(KeyManagerError) -> VaultAnswer {
        let request = call.purpose.map {
            KeyManagerRequest($0.operation, keyID: keyID, items: $0.items, observer: observer)
        }
        do {
            let answer = try await session.exchange(call)
            request?.ended(failures(in: answer, to: call))
            return answer
        } catch {
            let error = KeyManagerError(error, keyID: keyID)
            request?.ended([error.code])
            throw error
        }
    }

    func failure(_ answer: VaultAnswer, _ call: VaultCall) -> VaultError {
        answer.failure(call.path, at: session.location)
    }

    func refusal(_ item: Node, _ call: VaultCall) -> VaultError {
        let refusal = VaultRefusal(status: 400, text: item["error"]?.string ?? "")
        return VaultError(.refused(refusal), refusal.message(call.path, at: session.location))
    }

    private func data(_ call: VaultCall) async throws(KeyManagerError) -> Node? {
        let answer = try await exchange(call)
        guard 200..<300 ~= answer.status else {
            throw KeyManagerError(failure(answer, call), keyID: keyID)
        }
        return answer.data
    }

    func recipient(in data: Node?) throws(KeyManagerError) -> Recipient {
        guard let wrapped = data?["ciphertext"]?.string, TransitCiphertext(wrapped) != nil else {
            throw malformed("no ciphertext of the form vault:v<version>:<base64>")
        }
        return Recipient(keyID: keyID, wrappedKey: wrapped)
    }
}
