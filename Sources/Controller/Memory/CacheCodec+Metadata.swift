import KubeClient

/// The metadata of objects.
extension CacheCodec {
    static func write(_ metadata: ObjectMeta, to writer: inout PackedWriter, _ pools: inout CachePools) {
        writer.text(metadata.name)
        writer.sharedText(metadata.namespace, &pools.texts)
        writer.text(metadata.uid)
        writer.text(metadata.resourceVersion)
        writer.integer(metadata.generation)
        writer.text(metadata.creationTimestamp)
        writer.text(metadata.deletionTimestamp)
        pools.write(metadata.labels, isShared: true, to: &writer)
        pools.write(metadata.annotations, isShared: false, to: &writer)
        writer.list(metadata.ownerReferences) { owner, writer in
            writer.sharedText(owner.apiVersion, &pools.texts)
            writer.sharedText(owner.kind, &pools.texts)
            writer.text(owner.name)
            writer.text(owner.uid)
            writer.flag(owner.controller)
            writer.flag(owner.blockOwnerDeletion)
        }
        writer.list(metadata.managedFields) { fields, writer in
            writer.sharedText(fields.manager, &pools.texts)
            writer.text(fields.time)
            for keys in [fields.labels, fields.annotations, fields.data] {
                pools.write(keys, to: &writer)
            }
            writer.flag(fields.ownsImmutable)
        }
        writer.flag(metadata.isAbridged)
    }

    static func metadata(_ reader: inout PackedReader, _ values: CachePools.Values) -> ObjectMeta {
        var metadata = ObjectMeta(name: reader.text() ?? "")
        metadata.namespace = reader.text()
        metadata.uid = reader.text()
        metadata.resourceVersion = reader.text()
        metadata.generation = reader.integer()
        metadata.creationTimestamp = reader.text()
        metadata.deletionTimestamp = reader.text()
        metadata.labels = values.readMap(&reader)
        metadata.annotations = values.readMap(&reader)
        metadata.ownerReferences = reader.list { reader in
            var owner = OwnerReference(
                apiVersion: reader.text() ?? "", kind: reader.text() ?? "",
                name: reader.text() ?? "", uid: reader.text() ?? "")
            owner.controller = reader.flag()
            owner.blockOwnerDeletion = reader.flag()
            return owner
        }
        metadata.managedFields = reader.list { reader in
            ManagedFieldsEntry(
                manager: reader.text() ?? "", time: reader.text(), labels: values.readSet(&reader),
                annotations: values.readSet(&reader), data: values.readSet(&reader),
                ownsImmutable: reader.flag() ?? false)
        }
        metadata.isAbridged = reader.flag() ?? false
        return metadata
    }

    /// Reads the beginning of the metadata.
    static func uid(_ reader: inout PackedReader) -> String? {
        _ = (reader.text(), reader.text())
        return reader.text()
    }
}
