package import Envelope

/// What is to become of every row's recipients. Keys are those of a ring, by their place in `KeyRing.all`: a row's own
/// words never choose what is wrapped for.
package enum RewrapStrategy: Sendable {
    /// Each recipient of ours to the newest version of its key, or to the key that wraps for its backend now.
    case refresh
    /// Adds recipients for these keys, and then removes those that match.
    case change(adding: [Int], removing: [KeySelector])
    /// This key in place of all recipients of ours.
    case move(to: Int)
}

/// A key as an operator names it: by its id, or by its backend.
package struct KeySelector: Sendable, CustomStringConvertible {
    package let description: String

    package static let backends = ["local", "vault-transit", "aws-kms"]

    /// Errors: no row can list such a key. A name that is mistyped matches nothing, which looks like proof that the key
    /// can be done without.
    package init(_ text: String) throws(InputError) {
        guard Self.isWellFormed(text) else {
            throw InputError(
                "\(quoted(text)) is neither a backend (\(Self.backends.joined(separator: ", "))) nor a key id; key ids "
                    + "are as status --by-key shows them, for example vault-transit:transit/sb-wrap")
        }
        description = text
    }

    private static func isWellFormed(_ text: String) -> Bool {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        switch parts[0] {
        case "arn":
            let fields = text.split(separator: ":", omittingEmptySubsequences: false)
            return fields.count == 6 && fields[2] == "kms" && fields[5].hasPrefix("key/")
        case "aws-kms": return parts.count == 1
        default: return backends.contains(String(parts[0])) && parts.last?.isEmpty == false
        }
    }

    /// Whether rows show which version of the key wrapped them.
    package var hasVersions: Bool { Recipient(keyID: description, wrappedKey: "").isVersioned }

    package func matches(_ recipient: Recipient) -> Bool { matches(keyID: recipient.keyID) }

    package func matches(keyID: String) -> Bool {
        keyID.utf8.elementsEqual(description.utf8) || KeyManagerRequest.backend(ofKeyID: keyID) == description
    }

    /// The place in the ring of the key that is meant: the first one, as it is the one that wraps.
    ///
    /// Errors: the ring has no such key, or it is one of those that only unwrap.
    package func index(in keys: KeyRing, option: String) throws(InputError) -> Int {
        if let place = keys.all.firstIndex(where: { matches(keyID: $0.keyID) }) {
            let key = keys.all[place]
            if let present = keys.wrappingKeyManager(of: KeyManagerRequest.backend(ofKeyID: key.keyID)),
                present.keyID != key.keyID
            {
                throw InputError(
                    "\(option): \(quoted(description)) is an earlier key, which wraps nothing any more; name the "
                        + "present one (\(present.keyID)), or make this the present one")
            }
            return place
        }
        let configured = keys.all.map(\.keyID).joined(separator: ", ")
        throw InputError(
            "\(option): \(quoted(description)) is not a configured key (\(configured)); add its backend to "
                + "SB_KMS_BACKEND, for example SB_KMS_BACKEND=vault-transit,aws-kms, and give its settings")
    }
}
