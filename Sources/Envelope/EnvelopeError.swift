package import Cryptography

/// An envelope cannot be sealed or opened. Texts name fields, entries and keys, never values.
package enum EnvelopeError: Error, Equatable, Sendable {
    /// A field violates the format. Nothing was computed and no request was sent.
    case invalid(field: String, problem: String)
    /// The format is newer than this version, or unknown.
    case unsupportedFormat(String)
    /// No configured key accepts any of the recipients. No request was sent.
    case noUsableRecipient(recipients: [String], configured: [String])
    /// The KMS did not unwrap the data key.
    case keyManager(KeyManagerError)
    /// The MAC over the set does not match under the data key of this recipient. No value was decrypted.
    case integrityFailed(keyID: String)
    /// The MAC matches and the tag of one value does not: the program that sealed the envelope made an error.
    case decryptFailed(entry: String, keyID: String)
    /// libcrypto failed.
    case crypto(CryptoError)
}

extension EnvelopeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalid(let field, let problem):
            "\(field) \(problem)"
        case .unsupportedFormat(let format):
            "format \(EnvelopeValidation.quoted(format)) is not supported by this version, which reads v1; use a newer "
                + "secrets-bridge"
        case .noUsableRecipient(let recipients, let configured):
            "none of its recipients (\(recipients.map(EnvelopeValidation.quoted).joined(separator: ", "))) is a "
                + "configured key (\(configured.joined(separator: ", "))); configure the key that wrapped the data key, "
                + "or wrap the values again"
        case .keyManager(let error):
            error.description
        case .integrityFailed:
            "the MAC over the set does not match: data, scope, namespace or name were changed after "
                + "wrapping; wrap the values again"
        case .decryptFailed(let entry, _):
            "entry \(entry) cannot be decrypted although the MAC over the set matches; wrap the values again"
        case .crypto(let error):
            "libcrypto failed: \(error)"
        }
    }
}
