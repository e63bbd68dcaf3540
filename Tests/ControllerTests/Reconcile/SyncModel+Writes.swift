import Envelope
import KubeClient
import Resources

@testable import Controller

/// The writes of the Secret, as the API server carries them out.
extension SyncModel {
    /// - Returns: False if the Secret is not the one that the request is about.
    mutating func write(_ action: SyncAction, _ request: ReconcileRequest) -> Bool {
        let (desired, current) = (request.desired, request.current)
        guard secret?.uid == current?.uid, secret?.resourceVersion == current?.resourceVersion else {
            return false
        }
        if secret != nil, !isWritable { fail("\(action) of a Secret of the origin \(origin)") }
        version += 1
        var metadata =
            secret ?? ObjectMeta(name: desired.name, namespace: desired.namespace, uid: "s\(version)")
        let changes = MetadataChanges(
            metadata, to: desired, of: object, adding: [:],
            isAdoption: secret != nil && origin == .allowsAdoption)
        metadata.labels = applied(changes.labels, to: metadata.labels)
        metadata.annotations = applied(changes.annotations, to: metadata.annotations)
        if let references = changes.ownerReferences { metadata.ownerReferences = references }
        var own = MetadataChanges.annotations(desired, of: object)
        if desired.mergeIdentity == nil { own = desired.annotations } else { apply(own, to: &metadata) }
        var entries = secret == nil || desired.mergeIdentity == nil ? [:] : values
        for key in desired.keys { entries[key] = object.spec.envelope.mac }
        if action == .updateMetadata { entries = values } else { unwrapCount += 1 }
        take(desired, changes, Set(own.keys), isDataChanged: entries != values, &metadata)
        if metadata != secret || entries != values {
            metadata.resourceVersion = "\(version)"
            writeCount += 1
        }
        (secret, cached, values) = (metadata, metadata, entries)
        if desired.mergeIdentity == nil { origin = .ours }
        recordSuccess(action, metadata, request)
        return true
    }

    private func apply(_ annotations: [String: String], to metadata: inout ObjectMeta) {
        for (key, value) in annotations { metadata.annotations?[key] = value }
    }

    private func applied(
        _ changes: MetadataChanges.KeyChanges, to map: [String: String]?
    ) -> [String: String] {
        var map = map ?? [:]
        for key in changes.removed { map[key] = nil }
        return map.merging(changes.added) { _, new in new }
    }

    /// Makes our field manager the owner of what it has changed, and of the template's metadata.
    private mutating func take(
        _ desired: DesiredSecret, _ changes: MetadataChanges, _ annotations: Set<String>, isDataChanged: Bool,
        _ metadata: inout ObjectMeta
    ) {
        let fields = metadata.managedFields ?? []
        let ours = fields.first { $0.manager == desired.fieldManager }
        let labels = (ours?.labels ?? []).subtracting(changes.labels.removed)
            .union(changes.labels.added.keys).union(desired.labels.keys)
        let owned = (ours?.annotations ?? []).subtracting(changes.annotations.removed)
            .union(changes.annotations.added.keys).union(annotations)
        let data = isDataChanged ? Set(desired.keys) : ours?.data ?? []
        let isChanged = metadata != secret || isDataChanged
        guard isChanged || labels != ours?.labels || owned != ours?.annotations else { return }
        let others = fields.filter { $0.manager != desired.fieldManager }.map { other in
            ManagedFieldsEntry(
                manager: other.manager, time: other.time, labels: other.labels,
                annotations: other.annotations, data: other.data.subtracting(isDataChanged ? data : []),
                ownsImmutable: other.ownsImmutable)
        }
        metadata.managedFields =
            others + [
                ManagedFieldsEntry(
                    manager: desired.fieldManager, time: now(), labels: labels, annotations: owned,
                    data: data)
            ]
    }
}
