package import Cryptography
package import Envelope
import Settings
import System

/// A key-encryption key from the environment, for development: read access to the memory of this process, or to what sets its
/// environment, discloses it, which a KMS prevents.
///
/// The wrapped key is base64(nonce ‖ AES-256-GCM(master, data key, B) ‖ tag). The key id is the SHA-256 of the master key,
/// which identifies the key and does not disclose it.
package struct LocalKeyManager: KeyManager {
    package let keyID: String
    private let master: SharedSecret
    private let observer: (any KeyManagerObserver)?

    /// - Throws: `wrongLength` unless `master` has 32 bytes.
    package init(
        master: SharedSecret, observer: (any KeyManagerObserver)? = nil
    ) throws(CryptoError) {
        guard master.count == AES256GCM.keyLength else {
            throw .wrongLength(of: "master key", expected: AES256GCM.keyLength, actual: master.count)
        }
        self.master = master
        self.observer = observer
        let digest = try master.bytes.withUnsafeBytes { bytes throws(CryptoError) in try sha256(bytes) }
        keyID = "local:" + hex(digest)
    }

    package func accepts(keyID: String) -> Bool {
        self.keyID.utf8.elementsEqual(keyID.utf8)
    }

    package func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await request(.generateDataKey).measure { () throws(KeyManagerError) in
            do throws(CryptoError) {
                let key = SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount))
                return DataKey(key: key, recipient: try wrap(key, binding: binding))
            } catch {
                throw unavailable(error)
            }
        }
    }

    package func wrap(
        _ dataKey: SharedSecret, for binding: Binding
    ) async throws(KeyManagerError) -> Recipient {
        try await request(.wrap).measure { () throws(KeyManagerError) in
            do throws(CryptoError) {
                return try wrap(dataKey, binding: binding)
            } catch {
                throw unavailable(error)
            }
        }
    }

    package func unwrap(
        _ recipient: Recipient, for binding: Binding
    ) async throws(KeyManagerError) -> UnwrappedKey {
        try await request(.unwrap).measure { () throws(KeyManagerError) in
            try decrypt(recipient, for: binding)
        }
    }

    private func request(_ operation: KeyManagerOperation) -> KeyManagerRequest {
        KeyManagerRequest(operation, keyID: keyID, observer: observer)
    }

    private func decrypt(
        _ recipient: Recipient, for binding: Binding
    ) throws(KeyManagerError) -> UnwrappedKey {
        guard !recipient.usesPublicKey else { throw .algorithmMismatch(recipient, keyID: keyID) }
        let sealed: [UInt8]
        do {
            sealed = try Base64.decode(recipient.wrappedKey)
        } catch {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key is not canonical base64 (\(error.problem) at byte \(error.offset))")
        }
        do {
            let key = try AES256GCM.open(sealed, key: master.bytes, associatedData: binding.bytes)
            return UnwrappedKey(key: SharedSecret(key))
        } catch .libcrypto(let activity, let stack) {
            throw unavailable(.libcrypto(activity: activity, stack: stack))
        } catch {
            throw KeyManagerError(
                .invalidCiphertext, keyID: keyID,
                message: "the wrapped key cannot be unwrapped: it was changed, or wrapped for another "
                    + "namespace, name or scope")
        }
    }

    private func wrap(_ dataKey: SharedSecret, binding: Binding) throws(CryptoError) -> Recipient {
        let sealed = try AES256GCM.seal(dataKey.bytes, key: master.bytes, associatedData: binding.bytes)
        return Recipient(keyID: keyID, wrappedKey: Base64.encode(sealed))
    }

    private func unavailable(_ error: CryptoError) -> KeyManagerError {
        KeyManagerError(.unavailable, keyID: keyID, message: "libcrypto failed: \(error)")
    }
}

extension LocalKeyManager {
    private static let keyVariable = "SB_WRAP_MASTER_KEY"
    private static let previousKeysVariable = "SB_WRAP_MASTER_KEYS_PREVIOUS"

    /// The variables that hold keys.
    static let keyVariables = [keyVariable, previousKeysVariable]

    /// Loads the key of `SB_WRAP_MASTER_KEY`, then those of `SB_WRAP_MASTER_KEYS_PREVIOUS`, which only unwrap.
    static func load(
        from environment: Environment, observer: (any KeyManagerObserver)? = nil
    ) throws(SettingError) -> [any KeyManager] {
        let variable = keyVariable
        guard let text = try environment.secret(variable) else {
            throw SettingError(
                variable: variable,
                problem: "is not set; the local backend needs base64 of 32 bytes, "
                    + "for example: export \(variable)=$(openssl rand -base64 32); for another KMS, set SB_KMS_BACKEND"
            )
        }
        var managers = [try make(text.bytes, variable: variable, observer)]
        let previous = previousKeysVariable
        if let list = try environment.secret(previous) {
            for text in list.bytes.split(separator: UInt8(ascii: ",")) {
                guard let text = text.bytes.withUnsafeBytes({ SettingText.trimmedSecret($0) }) else {
                    continue
                }
                managers.append(try make(text.bytes, variable: previous, observer))
            }
        }
        return managers
    }

    private static func make(
        _ text: borrowing SecretBytes, variable: String, _ observer: (any KeyManagerObserver)?
    ) throws(SettingError) -> LocalKeyManager {
        do {
            let master = try text.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                try Base64.decodeSecret(bytes)
            }
            return try LocalKeyManager(master: SharedSecret(master), observer: observer)
        } catch let error as CryptoError {
            guard case .wrongLength(_, _, let actual) = error else {
                throw SettingError(variable: variable, problem: "cannot be used: \(error)")
            }
            throw SettingError(
                variable: variable,
                problem: "holds \(actual) bytes; base64 of 32 bytes is expected (openssl rand -base64 32)")
        } catch {
            throw SettingError(
                variable: variable,
                problem: "is not canonical base64; base64 of 32 bytes is expected (openssl rand -base64 32)")
        }
    }
}

/// The `local` backend. Providers cannot use it: its key is in this process.
enum LocalBackend: KMSBackend {
    static let name = "local"
    static let providerFields: [String: String] = [:]

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        try LocalKeyManager.load(from: context.environment, observer: context.observer)
    }

    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager {
        throw SettingError(variable: name, problem: "is not a backend of providers")
    }
}
