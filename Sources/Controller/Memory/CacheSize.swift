import Envelope
import KubeClient
import Resources
import System

/// Estimates the size of an object in a cache, as far as its owner controls it. A larger object than `maximumBytes` is cached
/// in part and read from the API server when it is needed, so that no tenant can exhaust the controller's memory.
enum CacheSize {
    /// Ordinary objects are far smaller.
    static let maximumBytes = 8 << 10

    static func of(_ metadata: ObjectMeta) -> Int {
        var size = of(metadata.labels) + of(metadata.annotations)
        for owner in metadata.ownerReferences ?? [] {
            size +=
                owner.apiVersion.utf8.count + owner.kind.utf8.count + owner.name.utf8.count
                + owner.uid.utf8.count + 64
        }
        for fields in metadata.managedFields ?? [] {
            size += 64 + fields.manager.utf8.count + (fields.time?.utf8.count ?? 0)
            for keys in [fields.labels, fields.annotations, fields.data] {
                size += keys.reduce(0) { $0 + $1.utf8.count + 16 }
            }
        }
        return size
    }

    static func of(_ object: WrappedSecret) -> Int {
        let spec = object.spec
        let texts = [
            spec.envelope.format, spec.envelope.scope, spec.envelope.mac, spec.template?.type ?? "",
            spec.keyRef?.kind ?? "", spec.keyRef?.name ?? "", spec.creationPolicy ?? "",
        ]
        var size = texts.reduce(0) { $0 + $1.utf8.count }
        for recipient in spec.envelope.recipients {
            size +=
                recipient.keyID.utf8.count + recipient.wrappedKey.utf8.count
                + (recipient.algorithm?.utf8.count ?? 0)
        }
        size += spec.envelope.droppedCiphertexts?.entryNames.reduce(0) { $0 + $1.utf8.count + 16 } ?? 0
        size += of(spec.template?.data)
        size += of(spec.template?.metadata?.labels) + of(spec.template?.metadata?.annotations)
        for workload in spec.workloadsToRestart {
            size += workload.kind.utf8.count + workload.name.utf8.count
        }
        return size
    }

    static func of(_ status: WrappedSecretStatus) -> Int {
        let texts = [
            status.keyID, status.keyVersion, status.lastSyncTime, status.lastVerifiedTime,
            status.lastHandledSync,
            status.secret?.name, status.secret?.uid, status.secret?.resourceVersion, status.secret?.mac,
            status.secret?.templateHash, status.rolloutRestart?.mac, status.rolloutRestart?.templateHash,
            status.rolloutRestart?.time,
        ]
        var size = texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) }
        for condition in status.conditions ?? [] {
            size +=
                condition.type.utf8.count + condition.reason.utf8.count + condition.message.utf8.count
                + condition.status.utf8.count + condition.lastTransitionTime.utf8.count
        }
        return size
    }

    private static func of(_ pairs: [String: String]?) -> Int {
        (pairs ?? [:]).reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 32 }
    }
}

extension ObjectMeta {
    fileprivate static let maximumNameLength = 253
    /// The number of ownership annotations that are kept, those of WrappedSecrets that merge entries included.
    fileprivate static let maximumAnnotations = 32

    /// Returns the part of a Secret's metadata that shows its owner and its version.
    func abridged() -> ObjectMeta {
        var part = ObjectMeta(name: name, namespace: namespace, uid: uid, resourceVersion: resourceVersion)
        part.generation = generation
        part.deletionTimestamp = deletionTimestamp
        part.labels = labels.map {
            $0.filter { $0.key == OwnershipMetadata.managedLabel && $0.value.utf8.count <= 63 }
        }
        let kept = [
            OwnershipMetadata.wrappedSecretAnnotation, OwnershipMetadata.sourceAnnotation,
            OwnershipMetadata.allowAnnotation, OwnershipMetadata.creationPolicyAnnotation,
        ]
        part.annotations = annotations.map { annotations in
            let known = annotations.filter {
                (kept.contains($0.key) || MergeIdentity.isMergeAnnotation($0.key))
                    && $0.value.utf8.count <= Self.maximumNameLength
            }
            return Dictionary(
                uniqueKeysWithValues: known.sorted { $0.key < $1.key }.prefix(Self.maximumAnnotations).map {
                    $0
                })
        }
        part.ownerReferences = ownerReferences.map { owners in
            owners.filter { owner in
                (OwnershipMetadata.isWrappedSecret(owner) || owner.controller == true)
                    && [owner.apiVersion, owner.kind, owner.name, owner.uid].allSatisfy {
                        $0.utf8.count <= Self.maximumNameLength
                    }
            }
        }
        part.isAbridged = true
        return part
    }
}

extension WrappedSecret {
    /// Returns the part of an object that shows its Secret and its creation policy.
    func abridged() -> WrappedSecret {
        var envelope = EnvelopeFields(format: "", scope: "", recipients: [], mac: "", data: [:])
        envelope.mac = spec.envelope.mac.truncated(toUTF8: 64)
        var part = WrappedSecret(
            metadata: metadata, spec: WrappedSecretSpec(envelope: envelope), status: status)
        part.spec.template = .init(
            metadata: .init(name: spec.template?.metadata?.name?.truncated(toUTF8: 256)))
        part.spec.creationPolicy = spec.creationPolicy?.truncated(toUTF8: 16)
        // The index of the users of providers needs it.
        part.spec.keyRef = spec.keyRef.flatMap {
            $0.kind.utf8.count <= 64 && $0.name.utf8.count <= 253 ? $0 : nil
        }
        part.isAbridged = true
        return part
    }
}
