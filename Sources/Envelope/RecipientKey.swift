package import Cryptography
import System

/// The public half of an asymmetric key in a KMS. It wraps data keys offline; only the KMS unwraps them.
package struct RecipientKey: Sendable {
    /// The id in recipients, in the form of the backend.
    package let keyID: String
    /// The version of the key, for a backend whose wrapped keys carry it (`vault-transit`). Nil for the others: the key id
    /// names the version, or the key has none.
    package let keyVersion: String?
    package let publicKey: RSAPublicKey
    /// `sha256:` and the SHA-256 of the key's DER in hexadecimal digits.
    package let fingerprint: String

    package let algorithm = RecipientAlgorithm.rsaOAEP256

    /// - Throws: `EnvelopeError.invalid` if the id is no key id, or the version is missing or has no use.
    package init(
        keyID: String, keyVersion: String?, publicKey: RSAPublicKey
    ) throws(EnvelopeError) {
        // A recipient of 16 bytes or more is valid whatever its wrapped key is.
        try EnvelopeValidation.check(
            recipients: [Recipient(keyID: keyID, wrappedKey: String(repeating: "A", count: 16))])
        let isVersioned = Recipient(keyID: keyID, wrappedKey: "").isVersioned
        guard isVersioned == (keyVersion != nil) else {
            throw .invalid(
                field: "keyVersion",
                problem: isVersioned
                    ? "is missing; a key of vault-transit has one"
                    : "is set; only a key of vault-transit has one")
        }
        if let keyVersion, !Self.isVersion(keyVersion) {
            throw .invalid(field: "keyVersion", problem: "is not the number of a version")
        }
        self.keyID = keyID
        self.keyVersion = keyVersion
        self.publicKey = publicKey
        do throws(CryptoError) {
            fingerprint = try publicKey.fingerprint()
        } catch {
            throw .crypto(error)
        }
    }

    /// Returns true for the same version of the same key, with the same public half.
    package func isSame(as other: RecipientKey) -> Bool {
        // Swift's `==` for strings ignores differences of Unicode normalization.
        keyID.utf8.elementsEqual(other.keyID.utf8) && keyVersion == other.keyVersion
            && fingerprint == other.fingerprint
    }

    /// The backend of the key, as `SB_KMS_BACKEND` names it.
    package var backend: String { KeyManagerRequest.backend(ofKeyID: keyID) }

    /// Encrypts a data key to this key.
    package func wrap(_ dataKey: SharedSecret) throws(CryptoError) -> Recipient {
        let text = Base64.encode(try publicKey.encryptOAEP(dataKey.bytes))
        return Recipient(
            keyID: keyID, wrappedKey: keyVersion.map { "vault:v\($0):\(text)" } ?? text,
            algorithm: algorithm.rawValue)
    }

    private static func isVersion(_ text: String) -> Bool {
        (1...9).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "0")
            && text.utf8.allSatisfy(\.isASCIIDigit)
    }
}

/// Wraps with a public key in this process. It sends no request, and unwraps nothing.
package struct RecipientKeyManager: KeyManager {
    package let key: RecipientKey

    package init(_ key: RecipientKey) { self.key = key }

    package var keyID: String { key.keyID }

    package func accepts(keyID: String) -> Bool { false }

    package func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        let dataKey: SharedSecret
        do throws(CryptoError) {
            dataKey = SharedSecret(try SecretBytes.random(count: EnvelopeValidation.dataKeyByteCount))
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "cannot generate a data key: \(error)")
        }
        return DataKey(key: dataKey, recipient: try await wrap(dataKey, for: binding))
    }

    package func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError)
        -> Recipient
    {
        do throws(CryptoError) {
            return try key.wrap(dataKey)
        } catch {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "libcrypto failed: \(error)")
        }
    }

    package func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError)
        -> UnwrappedKey
    {
        throw KeyManagerError(
            .misconfigured, keyID: keyID,
            message: "a public key does not unwrap; configure the KMS that has the private key")
    }
}

/// A key manager that can have an asymmetric key, whose public half others wrap with.
package protocol PublicKeyExporting: KeyManager {
    /// Reads the public half of the key that wraps.
    ///
    /// - Throws: `misconfigured` for a symmetric key, and for an asymmetric one of another kind than RSA of 3072 or 4096 bits
    ///   for decryption.
    func exportPublicKey() async throws(KeyManagerError) -> RecipientKey
}

extension KeyManager {
    /// Reads the public half of the key that wraps, if the backend has asymmetric keys.
    package func publicKey() async throws(KeyManagerError) -> RecipientKey {
        guard let key = self as? any PublicKeyExporting else { throw .notAsymmetric(keyID: keyID) }
        return try await key.exportPublicKey()
    }
}

extension KeyManagerError {
    package static func notAsymmetric(keyID: String, remedy: String? = nil) -> KeyManagerError {
        KeyManagerError(
            .misconfigured, keyID: keyID,
            message: "the key is symmetric, so that it has no public half; "
                + (remedy ?? "configure an RSA key of 3072 or 4096 bits for decryption"))
    }

    /// The error for a recipient whose algorithm is not that of the key.
    package static func algorithmMismatch(_ recipient: Recipient, keyID: String) -> KeyManagerError {
        KeyManagerError(
            .invalidCiphertext, keyID: keyID,
            message: recipient.algorithm.map {
                "the recipient's algorithm is \(EnvelopeValidation.quoted($0)), and the key or the wrapped key is of "
                    + "another one; wrap the values again for this key"
            }
                ?? "the recipient names no algorithm, and the key or the wrapped key is asymmetric; wrap the values again "
                + "for this key")
    }
}
