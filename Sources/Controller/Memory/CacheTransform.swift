import Envelope
import KubeClient
import Resources
import System

/// Reduces objects before they enter a cache of tens of thousands: values that most objects share (namespace, key ids, labels,
/// managed fields) are interned, and fields that the controller never reads are dropped. Thread-safe.
final class CacheTransform: Sendable {
    private struct Pools {
        var strings = InternPool<String>()
        var sets = InternPool<Set<String>>()
        var lists = InternPool<[String]>()
        var maps = InternPool<[String: String]>()
    }

    private let pools = Locked(Pools())

    /// Returns the object without its ciphertexts, and abridged if its other fields are large.
    func transformed(_ item: Decoded<WrappedSecret>) -> Decoded<WrappedSecret> {
        switch item {
        case .object(var object):
            object.metadata = Self.droppingUnreadMetadata(of: object.metadata)
            object.metadata.managedFields = nil
            // Without a status the object appears unsynced, so that the controller writes a new one.
            if let status = object.status, CacheSize.of(status) > CacheSize.maximumBytes {
                object.status = nil
            }
            object = object.droppingCiphertexts()
            if CacheSize.of(object) > CacheSize.maximumBytes { object = object.abridged() }
            return pools.withLock { pools in
                intern(&object.metadata, &pools)
                intern(&object.spec, &pools)
                if var status = object.status {
                    intern(&status, mac: object.spec.envelope.mac, &pools)
                    object.status = status
                }
                return .object(object)
            }
        case .malformed(let metadata, let status, let problem):
            var metadata = Self.droppingUnreadMetadata(of: metadata)
            metadata.managedFields = nil
            let isLarge = status.map { CacheSize.of($0) > CacheSize.maximumBytes } ?? false
            return pools.withLock { pools in
                intern(&metadata, &pools)
                return .malformed(
                    metadata, status: isLarge ? nil : status, problem: problem.truncated(toUTF8: 1024))
            }
        }
    }

    func transformed(_ secret: ObjectMeta) -> ObjectMeta {
        var secret = CacheSize.of(secret) > CacheSize.maximumBytes ? secret.abridged() : secret
        return pools.withLock { pools in
            intern(&secret, &pools)
            return secret
        }
    }

    /// Drops labels and annotations of a WrappedSecret except the sync annotation: they are not copied to its Secret.
    private static func droppingUnreadMetadata(of metadata: ObjectMeta) -> ObjectMeta {
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

    private func intern(_ metadata: inout ObjectMeta, _ pools: inout Pools) {
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
                data: pools.sets.interned(fields.data), ownsImmutable: fields.ownsImmutable)
        }
    }

    private func intern(_ spec: inout WrappedSecretSpec, _ pools: inout Pools) {
        spec.envelope.recipients = spec.envelope.recipients.map {
            Recipient(
                keyID: pools.strings.interned($0.keyID), wrappedKey: $0.wrappedKey,
                algorithm: $0.algorithm.map { pools.strings.interned($0) })
        }
        if let reference = spec.keyRef {
            spec.keyRef?.kind = pools.strings.interned(reference.kind)
            spec.keyRef?.name = pools.strings.interned(reference.name)
        }
        if let dropped = spec.envelope.droppedCiphertexts {
            spec.envelope.droppedCiphertexts?.entryNames = pools.lists.interned(dropped.entryNames)
        }
    }

    private func intern(_ status: inout WrappedSecretStatus, mac: String, _ pools: inout Pools) {
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

/// Interns values: equal ones share memory. It has a fixed number of slots; a new value replaces the one in the slot of its
/// hash.
struct InternPool<Value: Hashable & Sendable>: Sendable {
    private static var slotCount: Int { 512 }

    private var slots: [Int: Value] = [:]

    var count: Int { slots.count }

    /// Returns the stored equal value, or stores `value`.
    mutating func interned(_ value: Value) -> Value {
        let slot = value.hashValue & (Self.slotCount - 1)
        if let known = slots[slot], known == value { return known }
        slots[slot] = value
        return value
    }

    mutating func intern(_ value: inout Value?) {
        value = value.map { interned($0) }
    }
}
