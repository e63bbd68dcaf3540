import Cryptography
import Envelope
import JSON
import KubeClient
import Resources

/// A Secret as the API server has it, with keyed digests in place of its values: what a proof is compared with.
struct SecretContents: Sendable {
    let metadata: ObjectMeta
    let type: String
    let immutable: Bool
    /// `VerifiedDataCache.digest(ofValue:)` of each entry.
    let valueDigests: [String: [UInt8]]

    /// Reads a Secret out of secret memory. Values are decoded one at a time, into secret memory too.
    ///
    /// Errors: `KubeError` with the code `malformedResponse`, without anything of the Secret.
    init(_ json: SharedSecret, _ proofs: VerifiedDataCache, activity: String) throws(KubeError) {
        let result: Result<Draft, JSONError> = json.bytes.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in
                var reader = JSONReader(bytes)
                return try Draft(json: &reader, proofs)
            }
        }
        guard case .success(let draft) = result, let metadata = draft.metadata else {
            throw KubeError(
                .malformedResponse, activity: activity, message: "the API server's answer is not a Secret")
        }
        self.metadata = metadata
        type = draft.type ?? ""
        immutable = draft.immutable
        valueDigests = draft.values
    }

    private struct Draft {
        var metadata: ObjectMeta?
        var type: String?
        var immutable = false
        var values: [String: [UInt8]] = [:]

        init(json: inout JSONReader, _ proofs: VerifiedDataCache) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "metadata": metadata = try json.read()
                case "type": type = try json.readOptional()
                case "immutable": immutable = try json.readOptional() ?? false
                case "data":
                    guard try !json.consumeNull() else { return }
                    try json.readObject { name, json throws(JSONError) in
                        values[try name.text()] = try Self.digest(&json, proofs)
                    }
                default: break
                }
            }
        }

        private static func digest(
            _ json: inout JSONReader, _ proofs: VerifiedDataCache
        ) throws(JSONError) -> [UInt8] {
            if try json.consumeNull() { return [] }
            let text = try json.readUnescapedString()
            guard let value = try? Base64.decodeSecret(text),
                let digest = try? proofs.digest(ofValue: SharedSecret(value))
            else { throw json.error(.invalidString) }
            return digest
        }
    }
}

extension SecretContents {
    /// Whether the Secret still holds what was proved: exactly these entries, or, where another writer owns it and
    /// it only gets our entries, these among others.
    func matches(_ proof: VerifiedData, _ desired: DesiredSecret, _ proofs: VerifiedDataCache) -> Bool {
        guard metadata.uid == proof.uid else { return false }
        let isWhole = desired.mergeIdentity == nil
        if isWhole, type != desired.type || immutable != desired.isImmutable { return false }
        let names = Set(desired.envelope.entryNames)
        let ours = valueDigests.filter { names.contains($0.key) }
        guard !isWhole || ours.count == valueDigests.count else { return false }
        let digest = try? proofs.digest(ours.map { (name: $0.key, value: $0.value) })
        return digest == proof.dataDigest
    }
}
