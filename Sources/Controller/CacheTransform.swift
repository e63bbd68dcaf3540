import Envelope
import KubeClient
import Resources
import System

/// Makes what comes from the API server small enough for a cache of tens of thousands: values that most objects have in
/// common (namespace, key ids, labels, who set which fields) are kept once, and what nobody reads is dropped. May be used
/// from several tasks.
final class CacheTransform: Sendable {
    private struct Pools {
        var strings = InternPool<String>()
        var sets = InternPool<Set<String>>()
        var lists = InternPool<[String]>()
        var maps = InternPool<[String: String]>()
    }

    private let pools = Locked(Pools())

    /// Without ciphertexts. Objects whose other fields are large are abridged.
    func transformed(_ item: Decoded<WrappedSecret>) -> Decoded<WrappedSecret> {
        switch item {
        case .object(var object):
            object.metadata = Self.ownAnnotations(of: object.metadata)
            object.metadata.managedFields = nil
            // A status that is not ours makes the object look unsynced, and is written again.
            if let status = object.status, CacheSize.of(status) > CacheSize.maximumBytes {
                object.status = nil
            }
            object = object.droppingCiphertexts()
            if CacheSize.of(object) > CacheSize.maximumBytes { object = object.abridged() }
            return pools.withLock { pools in
                reduce(&object.metadata, &pools)
                reduce(&object.spec, &pools)
                if var status = object.status {
                    reduce(&status, mac: object.spec.envelope.mac, &pools)
                    object.status = status
                }
                return .object(object)
            }
        case .malformed(let metadata, let status, let problem):
            var metadata = Self.ownAnnotations(of: metadata)
            metadata.managedFields = nil
            let isLarge = status.map { CacheSize.of($0) > CacheSize.maximumBytes } ?? false
            return pools.withLock { pools in
                reduce(&metadata, &pools)
                return .malformed(
                    metadata, status: isLarge ? nil : status, problem: problem.truncated(toUTF8: 1024))
            }
        }
    }

    func transformed(_ secret: ObjectMeta) -> ObjectMeta {
        var secret = CacheSize.of(secret) > CacheSize.maximumBytes ? secret.abridged() : secret
        return pools.withLock { pools in
            reduce(&secret, &pools)
            return secret
        }
    }

    /// Annotations and labels of a WrappedSecret are not copied to its Secret: only our own are read.
    private static func ownAnnotations(of metadata: ObjectMeta) -> ObjectMeta {
        var metadata = metadata
        metadata.annotations = metadata.annotations.map { annotations in
            annotations.filter { $0.key == OwnershipMetadata.syncAnnotation }.mapValues {
                $0.truncated(toUTF8: 256)
            }
        }
        metadata.labels = nil
        metadata.ownerReferences = nil
        return metadata
    }

    private func reduce(_ metadata: inout ObjectMeta, _ pools: inout Pools) {
        metadata.creationTimestamp = nil
        pools.strings.intern(&metadata.namespace)
        metadata.labels = metadata.labels.map { pools.maps.interned($0) }
        if let annotations = metadata.annotations {
            metadata.annotations = Dictionary(
                uniqueKeysWithValues: annotations.map {
                    (pools.strings.interned($0.key), $0.value)
                })
        }
        metadata.ownerReferences = metadata.ownerReferences?.map { reference in
            var reference = reference
            reference.apiVersion = pools.strings.interned(reference.apiVersion)
            reference.kind = pools.strings.interned(reference.kind)
            return reference
        }
        metadata.managedFields = metadata.managedFields?.map { fields in
            ManagedFieldsEntry(
                manager: pools.strings.interned(fields.manager),
                time: fields.time.map { pools.strings.interned($0) },
                labels: pools.sets.interned(fields.labels),
                annotations: pools.sets.interned(fields.annotations),
                data: pools.sets.interned(fields.data), isOfImmutable: fields.ownsImmutable)
        }
    }

    private func reduce(_ spec: inout WrappedSecretSpec, _ pools: inout Pools) {
        spec.envelope.recipients = spec.envelope.recipients.map {
            Recipient(keyID: pools.strings.interned($0.keyID), wrappedKey: $0.wrappedKey)
        }
        if let dropped = spec.envelope.droppedCiphertexts {
            spec.envelope.droppedCiphertexts?.entryNames = pools.lists.interned(dropped.entryNames)
        }
    }

    private func reduce(_ status: inout WrappedSecretStatus, mac: String, _ pools: inout Pools) {
        pools.strings.intern(&status.keyID)
        pools.strings.intern(&status.lastSyncTime)
        if status.secret?.mac == mac { status.secret?.mac = mac }
        status.conditions = status.conditions?.map { condition in
            var condition = condition
            condition.type = pools.strings.interned(condition.type)
            condition.reason = pools.strings.interned(condition.reason)
            condition.lastTransitionTime = pools.strings.interned(condition.lastTransitionTime)
            return condition
        }
    }
}

/// Keeps some of the values that it was shown, for others to be the same in memory. It has room for a fixed number: one
/// that comes takes the place of whatever has the same hash.
struct InternPool<Value: Hashable & Sendable>: Sendable {
    private static var places: Int { 512 }

    private var kept: [Int: Value] = [:]

    var count: Int { kept.count }

    /// The value; where an equal one is kept, that one.
    mutating func interned(_ value: Value) -> Value {
        let place = value.hashValue & (Self.places - 1)
        if let known = kept[place], known == value { return known }
        kept[place] = value
        return value
    }

    mutating func intern(_ value: inout Value?) {
        if let given = value { value = interned(given) }
    }
}
