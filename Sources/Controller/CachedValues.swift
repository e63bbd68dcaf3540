import Envelope
import KubeClient
import Primitives
import Resources

/// Makes what comes from the API server small enough for a cache of tens of thousands: values that most objects have in
/// common (namespace, key ids, labels, who set which fields) are kept once, and what nobody reads is dropped. May be used
/// from several tasks.
final class CachedValues: Sendable {
    private struct Pools {
        var strings = ValuePool<String>()
        var sets = ValuePool<Set<String>>()
        var maps = ValuePool<[String: String]>()
    }

    private let pools = Locked(Pools())

    func reduced(_ item: Decoded<WrappedSecret>) -> Decoded<WrappedSecret> {
        pools.withLock { pools in
            switch item {
            case .object(var object):
                reduce(&object.metadata, &pools)
                object.metadata.managedFields = nil
                reduce(&object.spec, &pools)
                if var status = object.status {
                    reduce(&status, mac: object.spec.envelope.mac, &pools)
                    object.status = status
                }
                return .object(object)
            case .malformed(var metadata, let status, let problem):
                reduce(&metadata, &pools)
                metadata.managedFields = nil
                return .malformed(metadata, status: status, problem: problem)
            }
        }
    }

    func reduced(_ secret: ObjectMeta) -> ObjectMeta {
        pools.withLock { pools in
            var secret = secret
            reduce(&secret, &pools)
            return secret
        }
    }

    private func reduce(_ metadata: inout ObjectMeta, _ pools: inout Pools) {
        metadata.creationTimestamp = nil
        pools.strings.share(&metadata.namespace)
        metadata.labels = metadata.labels.map { pools.maps.one($0) }
        if let annotations = metadata.annotations {
            metadata.annotations = Dictionary(
                uniqueKeysWithValues: annotations.map {
                    (pools.strings.one($0.key), $0.value)
                })
        }
        metadata.ownerReferences = metadata.ownerReferences?.map { reference in
            var reference = reference
            reference.apiVersion = pools.strings.one(reference.apiVersion)
            reference.kind = pools.strings.one(reference.kind)
            return reference
        }
        metadata.managedFields = metadata.managedFields?.map { fields in
            ManagedFields(
                manager: pools.strings.one(fields.manager), time: fields.time.map { pools.strings.one($0) },
                labels: pools.sets.one(fields.labels), annotations: pools.sets.one(fields.annotations),
                data: pools.sets.one(fields.data), isOfImmutable: fields.isOfImmutable)
        }
    }

    private func reduce(_ spec: inout WrappedSecretSpec, _ pools: inout Pools) {
        spec.envelope.recipients = spec.envelope.recipients.map {
            Recipient(keyID: pools.strings.one($0.keyID), wrappedKey: $0.wrappedKey)
        }
        spec.envelope.data = Dictionary(
            uniqueKeysWithValues: spec.envelope.data.map { (pools.strings.one($0.key), $0.value) })
    }

    private func reduce(_ status: inout WrappedSecretStatus, mac: String, _ pools: inout Pools) {
        pools.strings.share(&status.keyID)
        pools.strings.share(&status.lastSyncTime)
        if status.secret?.mac == mac { status.secret?.mac = mac }
        status.conditions = status.conditions?.map { condition in
            var condition = condition
            condition.type = pools.strings.one(condition.type)
            condition.reason = pools.strings.one(condition.reason)
            condition.lastTransitionTime = pools.strings.one(condition.lastTransitionTime)
            return condition
        }
    }
}

/// Keeps some of the values that it was shown, for others to be the same in memory. It has room for a fixed number: one
/// that comes takes the place of whatever has the same hash.
struct ValuePool<Value: Hashable & Sendable>: Sendable {
    private static var places: Int { 512 }

    private var kept: [Int: Value] = [:]

    var count: Int { kept.count }

    /// The value; where an equal one is kept, that one.
    mutating func one(_ value: Value) -> Value {
        let place = value.hashValue & (Self.places - 1)
        if let known = kept[place], known == value { return known }
        kept[place] = value
        return value
    }

    mutating func share(_ value: inout Value?) {
        if let given = value { value = one(given) }
    }
}
