package import Envelope

/// What is to become of every row's recipients. Keys are those of a ring, by their place in `KeyRing.all`: a row's own
/// words never choose what is wrapped for.
package enum RewrapOrder: Sendable {
    /// Each recipient of ours to the newest version of its key, or to the key that wraps for its backend now.
    case refresh
    /// Adds recipients for these keys, and then removes those that match.
    case change(adding: [Int], removing: [KeyName])
    /// This key in place of all recipients of ours.
    case move(to: Int)
}

/// A key as an operator names it: by its id, or by its backend.
package struct KeyName: Sendable, CustomStringConvertible {
    package let description: String

    package init(_ text: String) { description = text }

    package func matches(_ recipient: Recipient) -> Bool { matches(keyID: recipient.keyID) }

    package func matches(keyID: String) -> Bool {
        keyID.utf8.elementsEqual(description.utf8) || KeyManagerRequest.backend(ofKeyID: keyID) == description
    }

    /// The place in the ring of the key that is meant: the first one, as it is the one that wraps.
    ///
    /// Errors: the ring has no such key.
    package func place(in keys: KeyRing, option: String) throws(InputError) -> Int {
        if let place = keys.all.firstIndex(where: { matches(keyID: $0.keyID) }) { return place }
        let configured = keys.all.map(\.keyID).joined(separator: ", ")
        throw InputError(
            "\(option): \(shown(description)) is not a configured key (\(configured)); add its backend to "
                + "SB_KMS_BACKEND, for example SB_KMS_BACKEND=vault-transit,aws-kms, and give its settings")
    }
}
