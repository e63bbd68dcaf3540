package import KubeClient
package import Primitives

/// Who a WrappedSecret is to a Secret that somebody else made and that it adds entries to (`creationPolicy: Merge`).
/// The API server keeps account of its fields under a name of its own, so that several can share one Secret.
package struct Merger: Sendable, Equatable {
    /// For server-side apply. The name of an object may be longer than that of a field manager (128 bytes).
    package let fieldManager: String
    /// Annotation `<uid>/<generation>` of the WrappedSecret that the entries are from; see `Markers.source`.
    package let source: String

    private static let sourcePrefix = "\(Markers.source)-"

    package init(_ name: String) throws(CryptoError) {
        let hash = try NameHash.of(name)
        fieldManager = "\(KubeClient.fieldManager)-\(hash)"
        source = Self.sourcePrefix + hash
    }

    /// Whether a field manager is that of some WrappedSecret which merges.
    package static func isMerger(fieldManager: String) -> Bool {
        fieldManager.hasPrefix("\(KubeClient.fieldManager)-")
    }

    /// Uids of the WrappedSecrets that have entries in this Secret.
    package static func uids(in secret: ObjectMeta) -> [String] {
        (secret.annotations ?? [:]).keys.filter { $0.hasPrefix(sourcePrefix) }
            .compactMap { Markers.source(of: secret, $0)?.uid }
    }
}
