import KubeClient
import Resources

/// Finds the objects in sync without looking at them again: the fingerprint of a WrappedSecret is that of the Secret with which
/// `SyncPlan` would find it in sync, and a Secret has its own. Both are made when an object enters its cache, where all its fields
/// are at hand, and a start compares two numbers for each object.
///
/// Equal fingerprints mean equal metadata, except with a probability of 2⁻⁶⁴ for each pair, which no tenant can raise: the hash has
/// a key of this process. Unequal ones mean nothing: a Secret with a label of another writer is in sync too, and its
/// WrappedSecret is reconciled.
struct SyncFingerprint: Sendable, Equatable {
    let value: UInt64

    /// - Returns: nil if the object is not in sync with any Secret, or if more than the Secret decides: the target of a merge, the
    ///   key of a provider, a pending restart of workloads.
    init?(_ object: WrappedSecret, _ policy: OperatorPolicy) {
        guard !object.isAbridged, object.metadata.deletionTimestamp == nil, object.spec.suspend != true,
            object.secretName == object.metadata.name, !object.spec.isMerge,
            object.spec.keyRef == nil, let status = object.status, let state = status.secret,
            object.spec.workloadsToRestart.isEmpty
                || state.dataVersion == status.rolloutRestart?.dataVersion,
            let desired = try? DesiredSecret(object)
        else { return nil }
        var secret = ObjectMeta(
            name: desired.name, namespace: desired.namespace, uid: state.uid,
            resourceVersion: state.resourceVersion)
        secret.labels = MetadataChanges.labels(desired, adding: policy.labels)
        secret.annotations = MetadataChanges.annotations(desired, of: object)
        secret.ownerReferences = OwnershipMetadata.ownerReferences(to: object)
        let input = SyncInput(object: object, status: status, policy: policy, current: secret)
        guard SyncPlan.isInSync(input, desired) else { return nil }
        self.init(secret)
    }

    /// - Returns: nil for a Secret that is terminating, or of which the cache has a part.
    init?(_ secret: ObjectMeta) {
        guard secret.deletionTimestamp == nil, !secret.isAbridged else { return nil }
        var hasher = Hasher()
        hasher.combine(secret.name)
        hasher.combine(secret.namespace)
        hasher.combine(secret.uid)
        hasher.combine(secret.resourceVersion)
        hasher.combine(secret.labels)
        hasher.combine(secret.annotations)
        hasher.combine(secret.ownerReferences ?? [])
        value = UInt64(bitPattern: Int64(hasher.finalize()))
    }

    // MARK: packed form

    /// Reads the fingerprint of a packed object.
    init?(packed bytes: [UInt8]) {
        guard bytes.count >= Self.byteCount else { return nil }
        let value = bytes.prefix(Self.byteCount).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard value != 0 else { return nil }
        self.value = value
    }

    /// The bytes with which each packed object begins; all zero if it has no fingerprint.
    static let byteCount = 8

    static func write(_ fingerprint: SyncFingerprint?, to writer: inout PackedWriter) {
        let value = fingerprint?.value ?? 0
        for shift in stride(from: 56, through: 0, by: -8) {
            writer.byte(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }
}
