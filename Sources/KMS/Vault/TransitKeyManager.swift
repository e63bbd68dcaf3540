import Cryptography
import Envelope
import HTTP
import JSON
import Settings
import System

/// A key of a transit engine, in HashiCorp Vault or OpenBao. The binding is sent as `context`: a key with `derived=true`
/// enforces it, any other key ignores it. An RSA key takes the same requests, which it serves with RSAES-OAEP and SHA-256; that
/// it is one shows in the length of its ciphertexts.
struct TransitKeyManager: KeyManager {
    let keyID: String
    let session: VaultSession
    let mount: String
    let key: String
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
        return UnwrappedKey(key: try dataKey(in: data), keyVersion: ciphertext.version)
    }

    func rewrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        _ = try parseCiphertext(recipient)
        return try self.recipient(
            in: await data(
                request("rewrap", ["ciphertext": .string(recipient.wrappedKey), "context": context(binding)]))
        )
    }
}

extension TransitKeyManager {
    /// Loads the key of `SB_KMS_VAULT_KEY`, then those of `SB_KMS_VAULT_KEYS_PREVIOUS`. Each logs in separately.
    ///
    /// - Parameter warn: Gets a line if Vault's certificate is not verified.
    static func load(
        from environment: Environment, mode: ProgramMode = .commandLine,
        observer: (any KeyManagerObserver)? = nil, warn: (String) -> Void = { _ in }
    ) throws(SettingError) -> [TransitKeyManager] {
        let current = try VaultSettings.load(from: environment)
        if let warning = try current.unverifiedServerWarning(environment, mode: mode) { warn(warning) }
        return try ([current] + (try current.previousKeySettings(from: environment))).map {
            settings throws(SettingError) in
            try connect(settings, observer: observer)
        }
    }

    /// Uses a transport that follows from the settings. Sends no request before the first use.
    static func connect(
        _ settings: VaultSettings, transports: any KMSTransports = OwnTransports(),
        observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> TransitKeyManager {
        var connections = ConnectionSettings()
        if settings.address.isPlainHTTP { connections.plainHTTP = .always }
        let transport = try transports.transport(connections, settings.tls)
        return TransitKeyManager(settings, transport: transport, observer: observer)
    }

    /// - Parameter transport: Replaces the transport that follows from the settings of TLS.
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

extension TransitKeyManager: MaintainedKeyManager {
    func maintain(onRecovery: @escaping @Sendable () -> Void) async {
        await session.tokens.maintain()
    }
}

extension TransitKeyManager {
    func context(_ binding: Binding) -> JSONValue { .string(Base64.encode(binding.bytes)) }

    /// Rejects a wrapped key that Vault cannot have returned, without a request.
    ///
    /// - Throws: `.invalidCiphertext`.
    func parseCiphertext(_ recipient: Recipient) throws(KeyManagerError) -> TransitCiphertext {
        guard recipient.wrappedKey.utf8.count <= EnvelopeValidation.maximumWrappedKeyLength,
            let ciphertext = TransitCiphertext(recipient.wrappedKey)
        else {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key does not have the form vault:v<version>:<base64>")
        }
        let lengthFitsAlgorithm =
            recipient.usesPublicKey
            ? RecipientAlgorithm.isRSALength(ciphertext.byteCount)
            : ciphertext.byteCount < TransitCiphertext.asymmetricByteCount
        guard lengthFitsAlgorithm else { throw .algorithmMismatch(recipient, keyID: keyID) }
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

    /// Sends a request and reports it to the observer.
    ///
    /// - Returns: The response, whatever its status.
    func send(_ request: VaultRequest) async throws(KeyManagerError) -> VaultResponse {
        let measurement = request.keyOperation.map {
            KeyManagerRequest($0.operation, keyID: keyID, items: $0.items, observer: observer)
        }
        do {
            let response = try await session.send(request)
            measurement?.complete(failures(in: response, to: request))
            return response
        } catch {
            let error = KeyManagerError(error, keyID: keyID)
            measurement?.complete([error.code])
            throw error
        }
    }

    private func data(_ request: VaultRequest) async throws(KeyManagerError) -> JSONValue? {
        let response = try await send(request)
        guard response.isSuccess else { throw KeyManagerError(error(response, request), keyID: keyID) }
        return response.data
    }

    /// Decodes the `plaintext` field; its base64 stays in secret memory.
    func dataKey(in data: JSONValue?) throws(KeyManagerError) -> SharedSecret {
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

    func recipient(in data: JSONValue?) throws(KeyManagerError) -> Recipient {
        guard let wrapped = data?["ciphertext"]?.string, let ciphertext = TransitCiphertext(wrapped) else {
            throw malformedResponse("no ciphertext of the form vault:v<version>:<base64>")
        }
        if RecipientAlgorithm.isRSALength(ciphertext.byteCount) {
            return Recipient(
                keyID: keyID, wrappedKey: wrapped, algorithm: RecipientAlgorithm.rsaOAEP256.rawValue)
        }
        guard ciphertext.byteCount < TransitCiphertext.asymmetricByteCount else {
            throw KeyManagerError(
                .misconfigured, keyID: keyID,
                message:
                    "the key is an RSA key of \(ciphertext.byteCount * 8) bits; use one of type rsa-3072 or rsa-4096"
            )
        }
        return Recipient(keyID: keyID, wrappedKey: wrapped)
    }

    func malformedResponse(_ problem: String) -> KeyManagerError {
        KeyManagerError(
            .unavailable, keyID: keyID,
            message:
                "\(session.endpoint) responds with \(problem); is it Vault, and is there a proxy before it?")
    }

    func error(_ response: VaultResponse, _ request: VaultRequest) -> VaultError {
        response.error(for: request.path, at: session.endpoint)
    }

    func itemError(_ item: JSONValue, _ request: VaultRequest) -> VaultError {
        VaultError(
            VaultRejection(status: 400, text: item["error"]?.string ?? ""), of: request.path,
            at: session.endpoint)
    }
}

/// A ciphertext of the transit engine: `vault:v<version>:<base64>`. A wrapped key is sent to Vault only if it has this form.
struct TransitCiphertext: Equatable {
    let version: String
    /// The number of bytes of the base64.
    let byteCount: Int

    /// The length of the smallest asymmetric ciphertext. That of a data key under a symmetric key has 60 or 72 bytes.
    static let asymmetricByteCount = 256

    /// Returns nil if the text does not have the form.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.elementsEqual("vault".utf8),
            parts[1].utf8.first == UInt8(ascii: "v")
        else { return nil }
        let digits = parts[1].dropFirst()
        guard (1...9).contains(digits.utf8.count), digits.utf8.first != UInt8(ascii: "0"),
            digits.utf8.allSatisfy(\.isASCIIDigit),
            let bytes = try? Base64.decode(String(parts[2])), !bytes.isEmpty
        else { return nil }
        version = String(digits)
        byteCount = bytes.count
    }
}
