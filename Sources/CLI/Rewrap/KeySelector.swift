package import Envelope

/// The target of a rewrap. Keys are indices in `KeyRing.all`, because the ids in a WrappedSecret must never select the
/// key to wrap for.
package enum RewrapStrategy: Sendable {
    /// Rewraps each recipient of a configured key with the newest version, or with the key that wraps for its backend
    /// now.
    case refresh
    /// Adds recipients for some keys, and then removes those that match.
    case change(adding: [Int], removing: [KeySelector])
    /// Replaces all recipients of configured keys by one of this key.
    case move(to: Int)
    /// Refreshes, adds the keys that a rule lists and removes those that it does not allow.
    case follow(RecipientRequirement)
}

/// Selects keys by an id or by a backend.
package struct KeySelector: Sendable, CustomStringConvertible {
    package let description: String

    package static let backends = ["local", "vault-transit", "aws-kms", "gcp-kms", "azure-key-vault"]

    /// - Throws: `InputError` if the text is neither. A mistyped id matches nothing, which looks like proof that a key
    ///   is no longer needed.
    package init(_ text: String) throws(InputError) {
        guard Self.isWellFormed(text) else {
            throw InputError(
                "\(quoted(text)) is neither a backend (\(Self.backends.joined(separator: ", "))) nor a key id; status "
                    + "--by-key lists key ids, for example vault-transit:transit/sb-wrap")
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
        case "gcp-kms":
            let names = parts.last?.split(separator: "/", omittingEmptySubsequences: false) ?? []
            return parts.count == 1
                || (names.count == 8 || (names.count == 10 && names[8] == "cryptoKeyVersions"))
                    && names[0] == "projects" && names[6] == "cryptoKeys" && names.allSatisfy(isPathSegment)
        case "azure-key-vault":
            // https://<vault>/keys/<name>/<version>
            let names = parts.last?.split(separator: "/", omittingEmptySubsequences: false) ?? []
            return parts.count == 1
                || (names.count == 6 && names[0] == "https:" && names[3] == "keys"
                    && [names[2], names[4]].allSatisfy(isPathSegment) && names[5].utf8.count == 32)
        case "vault-transit": return parts.count == 1 || parts.last.map(isTransitKey) == true
        default: return backends.contains(String(parts[0])) && parts.last?.isEmpty == false
        }
    }

    /// Returns true for `[<name>:][<vault namespace>/]<mount>/<key>`. A path has one notation, so that a key has one pin.
    private static func isTransitKey(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let names = (parts.last ?? "").split(separator: "/", omittingEmptySubsequences: false)
        return parts.count <= 2 && parts.dropLast().allSatisfy { isPathSegment($0) && !$0.contains("/") }
            && names.count >= 2 && names.allSatisfy(isPathSegment)
    }

    private static func isPathSegment(_ name: Substring) -> Bool { !["", ".", ".."].contains(name) }

    /// True if it selects all keys of a backend.
    var isBackend: Bool { Self.backends.contains(description) }

    /// The backend of the key or keys.
    var backend: String { KeyManagerRequest.backend(ofKeyID: description) }

    /// Returns true for the id of a key that may be asymmetric: of a backend other than `local`, and with the version where the
    /// ids of asymmetric keys have one.
    static func isAsymmetricKeyID(_ text: String) -> Bool {
        guard isWellFormed(text), text.contains(":"), !text.hasPrefix("local:") else { return false }
        return !text.hasPrefix("gcp-kms:") || text.contains(gcpVersion)
    }

    private static let gcpVersion = "/cryptoKeyVersions/"

    /// True if wrapped keys of this backend show the version of the key that wrapped them.
    package var hasVersions: Bool { Recipient(keyID: description, wrappedKey: "").isVersioned }

    package func matches(_ recipient: Recipient) -> Bool { matches(keyID: recipient.keyID) }

    package func matches(keyID: String) -> Bool {
        keyID.utf8.elementsEqual(description.utf8) || KeyManagerRequest.backend(ofKeyID: keyID) == description
    }

    /// Returns the index in the key ring of the first matching key, which is the one that wraps. The key of a recipient file
    /// is none of them: only `--recipient` and rules select it.
    ///
    /// - Throws: `InputError` if the ring has no such key, or only as a previous key that no longer wraps.
    package func index(in keys: KeyRing, option: String) throws(InputError) -> Int {
        if let index = keys.all.firstIndex(where: {
            !($0 is RecipientKeyManager) && matches(keyID: $0.keyID)
        }) {
            let key = keys.all[index]
            let current = keys.all[keys.wrappingKeyIndex(for: index)]
            if current.keyID != key.keyID {
                throw InputError(
                    "\(option): \(quoted(description)) is a previous key, which no longer wraps; use the current key "
                        + "(\(current.keyID)), or make this one the current key")
            }
            return index
        }
        let configured = keys.configuredKeyIDs.joined(separator: ", ")
        throw InputError(
            "\(option): \(quoted(description)) is not a configured key (\(configured)); add its backend to "
                + "SB_KMS_BACKEND, for example SB_KMS_BACKEND=vault-transit,aws-kms, and give its settings")
    }
}
