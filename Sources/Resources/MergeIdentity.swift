package import Cryptography
package import KubeClient

/// The names under which one WrappedSecret with `creationPolicy: Merge` adds entries to a Secret of another owner. Each
/// WrappedSecret has its own, so that several can share one Secret.
package struct MergeIdentity: Sendable, Equatable {
    /// The field manager for server-side apply. It contains a hash, because the name of an object may be longer than that
    /// of a field manager (128 bytes).
    package let fieldManager: String
    /// Annotation with `<uid>/<generation>` of the WrappedSecret; see `OwnershipMetadata.sourceAnnotation`.
    package let sourceAnnotation: String
    /// Annotation with the names of the entries, separated by commas. It identifies them also after a restore, in which the
    /// API server loses the field managers.
    package let entriesAnnotation: String

    private static let sourcePrefix = "\(OwnershipMetadata.sourceAnnotation)-"
    private static let entriesPrefix = "secrets-bridge.io/entries-"
    /// Longer lists of names are left out; in bytes.
    private static let maximumListBytes = 4096

    package init(_ name: String) throws(CryptoError) {
        let hash = try NameHash.of(name)
        fieldManager = "\(KubeClient.fieldManager)-\(hash)"
        sourceAnnotation = Self.sourcePrefix + hash
        entriesAnnotation = Self.entriesPrefix + hash
    }

    /// Returns true if `key` is an annotation about the entries of any merging WrappedSecret.
    package static func isMergeAnnotation(_ key: String) -> Bool {
        key.hasPrefix(sourcePrefix) || key.hasPrefix(entriesPrefix)
    }

    /// Returns the annotations that record the entries `names`.
    package func annotations(_ names: [String], of object: WrappedSecret) -> [String: String] {
        var annotations = [sourceAnnotation: OwnershipMetadata.sourceValue(object)]
        let list = names.joined(separator: ",")
        if list.utf8.count <= Self.maximumListBytes { annotations[entriesAnnotation] = list }
        return annotations
    }

    /// Returns the entries that the annotation records, or nil if there is none.
    package func recordedEntries(in secret: ObjectMeta) -> Set<String>? {
        secret.annotations?[entriesAnnotation].map { Set($0.split(separator: ",").map(String.init)) }
    }

    /// Returns true if the field manager belongs to any merging WrappedSecret.
    package static func isMergeManager(fieldManager: String) -> Bool {
        fieldManager.hasPrefix("\(KubeClient.fieldManager)-")
    }

    /// Returns the uids of the WrappedSecrets that have entries in this Secret.
    package static func sourceUIDs(in secret: ObjectMeta) -> [String] {
        (secret.annotations ?? [:]).keys.filter { $0.hasPrefix(sourcePrefix) }
            .compactMap { OwnershipMetadata.source(of: secret, $0)?.uid }
    }
}

/// Shortens the name of an object for field managers and keys of annotations, which are limited in length.
enum NameHash {
    /// Returns the first 16 hexadecimal digits of the SHA-256 of `name`.
    static func of(_ name: String) throws(CryptoError) -> String {
        hex(try sha256(Array(name.utf8)).prefix(8))
    }
}
