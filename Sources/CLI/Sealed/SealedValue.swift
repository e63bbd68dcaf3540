import Cryptography

/// One value as sealed-secrets seals it: the length n of what follows in two bytes, the higher one first; n bytes of
/// RSA-OAEP of a session key, with a label that binds the value to its place; and AES-256-GCM of the value, without
/// associated data, ciphertext ‖ tag, under that key. The nonce is zero, as each session key is used once.
struct SealedValue: Sendable {
    enum OpenError: Error, Equatable {
        /// Shorter than its parts say.
        case truncated
        /// Opened by none of the keys under this label.
        case noMatchingKey
        /// A key opens the session key, and that does not open the value.
        case corrupted
        case libcrypto(CryptoError)
    }

    /// Of an entry, or of the whole Secret.
    let field: String
    let location: String
    private let sealed: [UInt8]

    init(field: String, place: String, sealed: [UInt8]) {
        self.field = field
        self.location = place
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
