import Cryptography
import Envelope
import KubeClient
import Resources

/// A side of a merge, as git names it.
enum MergeSide: Sendable { case ours, theirs }

/// The envelope that a merge results in.
enum EnvelopeMergeOutcome {
    /// The envelope of both sides, or of the side that changed it. The bytes of its file are taken unchanged.
    case unchanged
    case take(MergeSide)
    /// An envelope with edits of both sides.
    case combined(EnvelopeFields)
    /// The reasons why there is no merged envelope, one line each, without values.
    case conflict([String])
}

/// Merges the envelopes of one WrappedSecret in three versions of a file.
///
/// No key is used as long as one side can be taken as it is. Otherwise the values of all versions are decrypted, merged
/// by entry, and encrypted under a new data key if they are those of neither side.
struct EnvelopeMerger {
    /// A WrappedSecret of one version.
    struct Version {
        let file: WrappedSecretFile
        let index: Int

        var document: WrappedSecretDocument { file.documents[index] }
        var fields: EnvelopeFields { document.object.spec.envelope }

        /// Returns true if values, MAC and scope are the same, so that the data key is as well.
        func hasSameCiphertexts(as other: Version) -> Bool {
            var fields = fields
            fields.recipients = other.fields.recipients
            return fields == other.fields
        }
    }

    private let loadKeys: () throws(InputError) -> KeyRing
    private let namespace: String?
    private var loaded: KeyRing?

    /// - Parameter keys: Is called when a key is needed for the first time.
    init(keys: @escaping () throws(InputError) -> KeyRing, namespace: String?) {
        loadKeys = keys
        self.namespace = namespace
    }

    mutating func merge(base: Version?, ours: Version, theirs: Version) async -> EnvelopeMergeOutcome {
        if ours.fields == theirs.fields { return .unchanged }
        if let base {
            if ours.fields == base.fields { return .take(.theirs) }
            if theirs.fields == base.fields { return .take(.ours) }
        }
        guard ours.document.bindingParts == theirs.document.bindingParts else {
            return .conflict(["scope or name of the Secret was changed, and both sides encrypted it again"])
        }
        do throws(MergeConflict) {
            return .combined(try await combine(base, ours, theirs))
        } catch {
            return .conflict(error.reasons)
        }
    }

    private struct MergeConflict: Error {
        let reasons: [String]

        init(_ reasons: [String]) { self.reasons = reasons }

        init(_ reason: String) { reasons = [reason] }
    }

    private mutating func keys() throws(MergeConflict) -> KeyRing {
        if let loaded { return loaded }
        do throws(InputError) {
            let keys = try loadKeys()
            loaded = keys
            return keys
        } catch {
            throw MergeConflict("a key that decrypts both sides is needed: \(error.description)")
        }
    }

    private mutating func combine(
        _ base: Version?, _ ours: Version, _ theirs: Version
    ) async throws(MergeConflict) -> EnvelopeFields {
        var values: [SecretEntry] = []
        let source: RecipientMerge.DataKeySource
        if ours.hasSameCiphertexts(as: theirs) {
            source = .shared
        } else if let base, theirs.hasSameCiphertexts(as: base) {
            source = .ours
        } else if let base, ours.hasSameCiphertexts(as: base) {
            source = .theirs
        } else {
            (source, values) = try await mergeValues(base, ours, theirs)
        }
        let items = RecipientMerge.items(
            base: base?.fields.recipients ?? [], ours: ours.fields.recipients,
            theirs: theirs.fields.recipients, dataKey: source)
        guard !items.isEmpty else { throw MergeConflict("no recipient would be left") }
        switch source {
        case .new: return try await seal(values, for: items, like: ours)
        case .shared, .ours: return try await addRecipients(items, to: ours)
        case .theirs: return try await addRecipients(items, to: theirs)
        }
    }

    /// Decrypts all versions, and merges their values by entry.
    private mutating func mergeValues(
        _ base: Version?, _ ours: Version, _ theirs: Version
    ) async throws(MergeConflict) -> (RecipientMerge.DataKeySource, [SecretEntry]) {
        let keys = try keys()
        let left = try await open(ours, keys)
        let right = try await open(theirs, keys)
        var old: [String: SharedSecret] = [:]
        if let base { old = try await open(base, keys) }
        let isEqual: (SharedSecret, SharedSecret) -> Bool = { $0.bytes.equals($1.bytes) }
        let merge = EntryMerge(base: old, ours: left, theirs: right, isEqual: isEqual)
        guard merge.conflicts.isEmpty else { throw MergeConflict(merge.conflicts.map(\.description)) }
        func isMerged(_ side: [String: SharedSecret]) -> Bool {
            side.count == merge.merged.count
                && side.allSatisfy { name, value in merge.merged[name].map { isEqual($0, value) } ?? false }
        }
        if isMerged(left) { return (.ours, []) }
        if isMerged(right) { return (.theirs, []) }
        return (.new, merge.merged.map { SecretEntry(name: $0.key, value: $0.value) })
    }

    private func open(
        _ version: Version, _ keys: KeyRing
    ) async throws(MergeConflict) -> [String: SharedSecret] {
        do throws(InputError) {
            let opened = try await OpenedDocument(
                version.file, at: version.index, namespace: namespace, with: keys)
            return Dictionary(opened.entries.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        } catch {
            throw MergeConflict("all versions have to be decrypted to merge them: \(error.description)")
        }
    }

    private func seal(
        _ entries: [SecretEntry], for items: [RecipientMerge.Item], like version: Version
    ) async throws(MergeConflict) -> EnvelopeFields {
        var managers: [any KeyManager] = []
        for case .wrap(let keyID) in items {
            let manager = try manager(for: keyID)
            if !managers.contains(where: { $0.keyID.utf8.elementsEqual(manager.keyID.utf8) }) {
                managers.append(manager)
            }
        }
        guard let first = managers.first else { throw MergeConflict("no recipient would be left") }
        do {
            let desired = try DesiredSecret(try version.document.object(namespace: namespace))
            try SecretLimits.check(plaintextByteCount: entries.reduce(0) { $0 + $1.value.count })
            try desired.templates.check(entries: entries.map(\.name))
            try SecretValidation.check(type: desired.type, try desired.templates.rendered(with: entries))
            return try await Envelope.seal(
                entries, binding: desired.envelope.binding, with: first,
                recipients: Array(managers.dropFirst())
            ).fields
        } catch {
            throw MergeConflict("the merged values cannot be encrypted: \(error)")
        }
    }

    /// Returns the envelope of a side with the merged recipients.
    private mutating func addRecipients(
        _ items: [RecipientMerge.Item], to version: Version
    ) async throws(MergeConflict) -> EnvelopeFields {
        var fields = version.fields
        var recipients: [Recipient] = []
        var dataKey: SharedSecret?
        do {
            let envelope = try version.document.object(namespace: namespace).sealedEnvelope()
            for item in items {
                switch item {
                case .existing(let recipient): recipients.append(recipient)
                case .wrap(let keyID):
                    let keys = try keys()
                    let manager = try manager(for: keyID)
                    guard !recipients.contains(manager.keyID) else { continue }
                    if dataKey == nil {
                        dataKey = try await envelope.unwrapDataKey(with: keys, envelope.recipients).key.key
                    }
                    guard let dataKey else { continue }
                    recipients.append(try await manager.wrap(dataKey, for: envelope.binding))
                }
            }
            try EnvelopeValidation.check(recipients: recipients)
        } catch let error as MergeConflict {
            throw error
        } catch {
            throw MergeConflict("the data key cannot be wrapped for the recipients of both sides: \(error)")
        }
        fields.recipients = recipients
        return fields
    }

    /// Returns the key that wraps for a recipient. A key that only a file names is never used.
    private func manager(for keyID: String) throws(MergeConflict) -> any KeyManager {
        let recipient = Recipient(keyID: keyID, wrappedKey: "")
        guard let keys = loaded, let index = keys.keyIndex(for: recipient) else {
            throw MergeConflict(
                "\(quoted(keyID)) is a recipient but not a configured key; configure it as well (SB_KMS_BACKEND takes "
                    + "a list)")
        }
        return keys.all[keys.wrappingKeyIndex(for: index)]
    }
}

extension WrappedSecretDocument {
    /// The scope and what it binds the envelope to. Envelopes are not exchangeable between documents that differ in it.
    var bindingParts: [String] {
        let scope = object.spec.envelope.scope
        switch scope {
        case Scope.cluster.rawValue: return [scope]
        case Scope.namespace.rawValue: return [scope, object.metadata.namespace ?? ""]
        default: return [scope, object.metadata.namespace ?? "", object.secretName]
        }
    }
}
