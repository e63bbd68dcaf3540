extension Recipient {
    /// Which version of its key wrapped it, where the wrapped key says that, as Vault's does: `vault:v3:...`. Read
    /// from the row alone; it tells what the row says, not that it opens.
    package var keyVersion: String? {
        let parts = wrappedKey.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard isVersioned, parts.count == 3, parts[0] == "vault", parts[1].first == "v" else {
            return nil
        }
        let digits = parts[1].dropFirst()
        guard (1...9).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else { return nil }
        return String(digits)
    }

    /// Whether the wrapped keys of its backend show versions. Where this one does not, it is not what the backend made.
    package var isVersioned: Bool { backend == "vault-transit" }

    /// The backend whose key it is, as `SB_KMS_BACKEND` names it.
    package var backend: String { KeyManagerRequest.backend(ofKeyID: keyID) }

    /// The key, and its version where one shows: for people.
    package var keyAndVersion: String { keyVersion.map { "\(keyID) v\($0)" } ?? keyID }

    /// Whether it is of the same version of the same key. True where no versions show.
    package func hasSameKeyVersion(as other: Recipient) -> Bool {
        keyID.utf8.elementsEqual(other.keyID.utf8) && keyVersion == other.keyVersion
    }
}
