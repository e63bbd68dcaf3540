package import Cryptography
package import Envelope

/// A master key in the process's own environment. For development: whoever can read the environment or the
/// memory of the process has the key, which is what a KMS is there to prevent.
///
/// The wrapped key is base64(nonce ‖ AES-256-GCM(master, data key, B) ‖ tag); the key id is the SHA-256 of
/// the master, so a change of master shows without the master showing.
package struct LocalKeyManager: KeyManager {
    package let keyID: String
    private let master: SharedSecret
    private let observer: (any KeyManagerObserver)?

    /// `master` must have 32 bytes.
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
            try open(recipient, for: binding)
        }
    }

    private func request(_ operation: KeyManagerOperation) -> KeyManagerRequest {
        KeyManagerRequest(operation, keyID: keyID, observer: observer)
    }

    private func open(
        _ recipient: Recipient, for binding: Binding
    ) throws(KeyManagerError) -> UnwrappedKey {
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
                message: "the wrapped key does not open: it was changed, or it was made for another "
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
