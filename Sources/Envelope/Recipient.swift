import Cryptography
import System

/// A data key, wrapped by one key-encryption key: an item of `spec.recipients` of a WrappedSecret.
package struct Recipient: Hashable, Sendable {
    /// The id of the key-encryption key, in the form of its backend: `vault-transit:transit/sb-wrap`.
    package var keyID: String
    /// The wrapped data key, in the backend's own text form or base64 of its bytes.
    package var wrappedKey: String
    /// The algorithm that wrapped the data key, or nil for the default of the backend. The text is that of the
    /// WrappedSecret; `EnvelopeValidation` accepts those of `RecipientAlgorithm` only.
    package var algorithm: String?

    package init(keyID: String, wrappedKey: String, algorithm: String? = nil) {
        self.keyID = keyID
        self.wrappedKey = wrappedKey
        self.algorithm = algorithm
    }
}

/// An algorithm that wraps data keys and is not the default of a backend. The raw value is `algorithm` of a recipient, with the
/// name of JOSE (RFC 7518, section 4.1) for all backends.
package enum RecipientAlgorithm: String, Sendable, CaseIterable {
    /// RSAES-OAEP with SHA-256 for the label, which is empty, and for MGF1.
    case rsaOAEP256 = "RSA-OAEP-256"

    /// Returns nil for a text that is not byte for byte the name of an algorithm.
    package init?(exactly text: String) {
        guard let match = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text.utf8) }) else {
            return nil
        }
        self = match
    }

    /// Returns true for the length of a wrapped data key in bytes: that of a modulus of 3072 or 4096 bits.
    package static func isRSALength(_ count: Int) -> Bool {
        RSAPublicKey.supportedBits.contains(count * 8)
    }
}

/// A recipient and the binding that its data key was wrapped for.
package struct BoundRecipient: Sendable {
    package let recipient: Recipient
    package let binding: Binding

    package init(_ recipient: Recipient, for binding: Binding) {
        self.recipient = recipient
        self.binding = binding
    }
}

extension Recipient {
    /// The version of the key that wrapped this data key, where the ciphertext carries it: `vault:v3:...`. The text
    /// alone is read, which does not prove that the ciphertext can be decrypted.
    package var keyVersion: String? {
        let parts = wrappedKey.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard isVersioned, parts.count == 3, parts[0] == "vault", parts[1].first == "v" else {
            return nil
        }
        let digits = parts[1].dropFirst()
        guard (1...9).contains(digits.utf8.count), digits.utf8.allSatisfy(\.isASCIIDigit) else { return nil }
        return String(digits)
    }

    /// True if ciphertexts of this backend carry the version of their key. Such a ciphertext without a version
    /// is invalid.
    package var isVersioned: Bool { backend == "vault-transit" }

    /// This is true if the ciphertext's text (`vault-transit`) or the KMS itself (`gcp-kms`) tells whether an older version
    /// of the key wrapped the data key, so that rewrapping with the same key makes sense.
    package var hasComparableVersion: Bool { isVersioned || backend == "gcp-kms" }

    /// True if the data key was wrapped with a public key, which the KMS unwraps with the private key.
    package var usesPublicKey: Bool { algorithm != nil }

    /// The key id, with the version and the algorithm that the recipient carries. For output.
    package var fullDescription: String { keyAndVersion + (algorithm.map { " (\($0))" } ?? "") }

    /// The backend of the key, as `SB_KMS_BACKEND` names it.
    package var backend: String { KeyManagerRequest.backend(ofKeyID: keyID) }

    /// The key id, with the version if the ciphertext carries one. For output.
    package var keyAndVersion: String { keyVersion.map { "\(keyID) v\($0)" } ?? keyID }

    /// Returns true if both were wrapped by the same version of the same key, as far as ciphertexts carry versions.
    package func hasSameKeyVersion(as other: Recipient) -> Bool {
        // `==` of strings would also equate different bytes that are canonically equivalent.
        keyID.utf8.elementsEqual(other.keyID.utf8) && keyVersion == other.keyVersion
    }
}
