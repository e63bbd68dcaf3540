import Cryptography
import Envelope
import JSON
import KubeClient
import Resources

/// A Secret as the API server returned it, with keyed digests in place of its values.
struct SecretContents: Sendable {
    let metadata: ObjectMeta
    let type: String
    let isImmutable: Bool
    /// `DataDigester.digest(ofValue:)` of each entry.
    let valueDigests: [String: [UInt8]]

    /// Parses a Secret in secret memory. Decodes one value at a time, into secret memory too.
    ///
    /// - Throws: `KubeError` with the code `malformedResponse`, which quotes nothing of the Secret.
    init(_ json: SharedSecret, _ digester: DataDigester, activity: String) throws(KubeError) {
        let result: Result<Draft, JSONError> = json.bytes.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in
                var reader = JSONReader(bytes)
                return try Draft(json: &reader, digester)
            }
        }
        guard case .success(let draft) = result, let metadata = draft.metadata else {
            throw KubeError(
                .malformedResponse, activity: activity, message: "the API server's response is not a Secret")
        }
        self.metadata = metadata
        type = draft.type ?? ""
        isImmutable = draft.isImmutable
        valueDigests = draft.valueDigests
    }

    /// Returns whether the Secret still holds the verified data: exactly these entries, or, in a merge target, these
    /// among others.
    func matches(_ verified: VerifiedData, _ desired: DesiredSecret, _ digester: DataDigester) -> Bool {
        guard metadata.uid == verified.uid else { return false }
        let ownsAllEntries = desired.mergeIdentity == nil
        if ownsAllEntries, type != desired.type || isImmutable != desired.isImmutable { return false }
        let names = Set(desired.keys)
        let ours = valueDigests.filter { names.contains($0.key) }
        guard !ownsAllEntries || ours.count == valueDigests.count else { return false }
        let digest = try? digester.digest(ours.map { (name: $0.key, value: $0.value) })
        return digest == verified.dataDigest
    }

    private struct Draft {
        var metadata: ObjectMeta?
        var type: String?
        var isImmutable = false
        var valueDigests: [String: [UInt8]] = [:]

        init(json: inout JSONReader, _ digester: DataDigester) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "metadata": metadata = try json.read()
                case "type": type = try json.readOptional()
                case "immutable": isImmutable = try json.readOptional() ?? false
                case "data":
                    guard try !json.consumeNull() else { return }
                    try json.readObject { name, json throws(JSONError) in
                        valueDigests[try name.text()] = try Self.digest(&json, digester)
                    }
                default: break
                }
            }
        }

        private static func digest(_ json: inout JSONReader, _ digester: DataDigester) throws(JSONError)
            -> [UInt8]
        {
            if try json.consumeNull() { return [] }
            let text = try json.readUnescapedString()
            guard let value = try? Base64.decodeSecret(text),
                let digest = try? digester.digest(ofValue: SharedSecret(value))
            else { throw json.error(.invalidString) }
            return digest
        }
    }
}
