package import Cryptography

/// Why an envelope cannot be made or opened. Texts name fields, entries and keys, never values.
package enum EnvelopeError: Error, Equatable, Sendable {
    /// A field breaks the format's rules; nothing was computed.
    case invalid(field: String, problem: String)
    /// A format this version does not know.
    case unsupportedFormat(String)
    /// No configured key accepts any of the recipients. No call was made.
    case noUsableRecipient(recipients: [String], configured: [String])
    /// The KMS did not unwrap the data key.
    case keyManager(KeyManagerError)
    /// The MAC over the whole set does not match, so no value was tried.
    case integrityFailed
    /// The MAC matched and a value's own tag did not: whoever made the envelope made it wrong.
    case decryptFailed(entry: String)
    /// libcrypto failed.
    case crypto(CryptoError)
}

extension EnvelopeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalid(let field, let problem):
            "\(field) \(problem)"
        case .unsupportedFormat(let format):
            "format \(EnvelopeValidation.quoted(format)) is not known to this version, which reads v1; "
                + "a newer secrets-bridge may"
        case .noUsableRecipient(let recipients, let configured):
            "none of its recipients (\(recipients.map(EnvelopeValidation.quoted).joined(separator: ", "))) is a "
                + "configured key (\(configured.joined(separator: ", "))); configure the key that wrapped it, "
                + "or wrap the values again"
        case .keyManager(let error):
            error.description
        case .integrityFailed:
            "the MAC over the set does not match: data, scope, namespace or name were changed after "
                + "wrapping; wrap the values again"
        case .decryptFailed(let entry):
            "entry \(entry) does not open although the set's MAC matches; wrap the values again"
        case .crypto(let error):
            "libcrypto failed: \(error)"
        }
    }
}
