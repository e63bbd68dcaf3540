import Cryptography

/// One value as sealed-secrets seals it: the length n of the wrapped session key as a big-endian 16-bit number; n bytes
/// of the session key under RSA-OAEP, with a label that binds the value to its place; and the value under AES-256-GCM
/// with the session key, without associated data, as ciphertext ‖ tag. The nonce is zero, as each session key is used
/// once.
struct SealedValue: Sendable {
    enum OpenError: Error, Equatable {
        /// The value is shorter than its parts.
        case truncated
        /// No key unwraps the session key with this label.
        case noMatchingKey
        /// The session key does not decrypt the value.
        case corrupted
        case libcrypto(CryptoError)
    }

    /// The field of the entry, or of the whole Secret, in messages.
    let field: String
    let location: String
    private let sealed: [UInt8]

    init(field: String, location: String, sealed: [UInt8]) {
        self.field = field
        self.location = location
        self.sealed = sealed
    }

    func open(label: [UInt8], keys: [RSAPrivateKey]) throws(OpenError) -> SharedSecret {
        guard sealed.count >= 2 else { throw .truncated }
        let end = 2 + (Int(sealed[0]) << 8 | Int(sealed[1]))
        guard sealed.count >= end + AES256GCM.tagLength else { throw .truncated }
        for key in keys {
            guard let session = try sessionKey(sealed[2..<end], label, key) else { continue }
            let nonce = [UInt8](repeating: 0, count: AES256GCM.nonceLength)
            do throws(CryptoError) {
                return SharedSecret(
                    try AES256GCM.open(nonce + sealed[end...], key: session.bytes, associatedData: []))
            } catch {
                throw .corrupted
            }
        }
        throw .noMatchingKey
    }

    private func sessionKey(
        _ wrapped: ArraySlice<UInt8>, _ label: [UInt8], _ key: RSAPrivateKey
    ) throws(OpenError) -> SharedSecret? {
        do throws(CryptoError) {
            return try Array(wrapped).withBytes { bytes throws(CryptoError) in
                SharedSecret(try key.decryptOAEP(bytes, label: label))
            }
        } catch .authenticationFailed {
            return nil
        } catch {
            throw .libcrypto(error)
        }
    }
}
