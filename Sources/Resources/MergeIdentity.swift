package import Cryptography
package import KubeClient

/// Who a WrappedSecret is to a Secret that somebody else made and that it adds entries to (`creationPolicy: Merge`).
/// The API server keeps account of its fields under a name of its own, so that several can share one Secret.
package struct MergeIdentity: Sendable, Equatable {
    /// For server-side apply. The name of an object may be longer than that of a field manager (128 bytes).
    package let fieldManager: String
    /// Annotation `<uid>/<generation>` of the WrappedSecret that the entries are from; see `Markers.source`.
    package let sourceAnnotation: String

    /// Annotation with the names of the entries, separated by commas: which entries of the Secret are ours, also after a
    /// restore, in which the API server forgets the field managers.
    package let entriesAnnotation: String

    private static let sourcePrefix = "\(OwnershipMetadata.sourceAnnotation)-"
    private static let entriesPrefix = "secrets-bridge.io/entries-"
    /// Bytes. Longer lists are left out.
    private static let longestList = 4096

    package init(_ name: String) throws(CryptoError) {
        let hash = try NameHash.of(name)
        fieldManager = "\(KubeClient.fieldManager)-\(hash)"
        sourceAnnotation = Self.sourcePrefix + hash
        entriesAnnotation = Self.entriesPrefix + hash
    }

    /// Whether the key of an annotation says something about merged entries.
    package static func isMergeAnnotation(_ key: String) -> Bool {
        key.hasPrefix(sourcePrefix) || key.hasPrefix(entriesPrefix)
    }

    /// The annotations that tell of these entries.
    package func annotations(_ names: [String], of object: WrappedSecret) -> [String: String] {
        var annotations = [sourceAnnotation: OwnershipMetadata.sourceValue(object)]
        let list = names.joined(separator: ",")
        if list.utf8.count <= Self.longestList { annotations[entriesAnnotation] = list }
        return annotations
    }

    /// The entries that the last merge wrote, as the Secret says; nil if it does not say.
    package func recordedEntries(in secret: ObjectMeta) -> Set<String>? {
        secret.annotations?[entriesAnnotation].map { Set($0.split(separator: ",").map(String.init)) }
    }

    /// Whether a field manager is that of some WrappedSecret which merges.
    package static func isMergeManager(fieldManager: String) -> Bool {
        fieldManager.hasPrefix("\(KubeClient.fieldManager)-")
    }

    /// Uids of the WrappedSecrets that have entries in this Secret.
    package static func sourceUIDs(in secret: ObjectMeta) -> [String] {
        (secret.annotations ?? [:]).keys.filter { $0.hasPrefix(sourcePrefix) }
            .compactMap { OwnershipMetadata.source(of: secret, $0)?.uid }
    }
}
