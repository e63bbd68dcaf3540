import Envelope
import KubeClient
import Resources

/// The spec of WrappedSecrets.
extension CacheCodec {
    static func write(
        _ spec: WrappedSecretSpec, _ dropped: DroppedCiphertexts, to writer: inout PackedWriter,
        _ pools: inout CachePools
    ) {
        let envelope = spec.envelope
        writer.sharedText(envelope.format, &pools.texts)
        writer.sharedText(envelope.scope, &pools.texts)
        writer.text(envelope.mac)
        writer.list(envelope.recipients) { recipient, writer in
            writer.sharedText(recipient.keyID, &pools.texts)
            writer.text(recipient.wrappedKey)
            writer.sharedText(recipient.algorithm, &pools.texts)
        }
        pools.write(dropped.entryNames, to: &writer)
        writer.count(dropped.plaintextByteCount)
        writer.data(dropped.digest)
        writer.flag(spec.template != nil)
        if let template = spec.template {
            writer.flag(template.metadata != nil)
            if let metadata = template.metadata {
                writer.text(metadata.name)
                pools.write(metadata.labels, isShared: true, to: &writer)
                pools.write(metadata.annotations, isShared: true, to: &writer)
            }
            writer.sharedText(template.type, &pools.texts)
            writer.flag(template.immutable)
            pools.write(template.data, isShared: false, to: &writer)
        }
        writer.sharedText(spec.keyRef?.kind, &pools.texts)
        writer.sharedText(spec.keyRef?.name, &pools.texts)
        writer.sharedText(spec.creationPolicy, &pools.texts)
        writer.flag(spec.recreate)
        writer.flag(spec.suspend)
        writer.list(spec.rolloutRestart) { workload, writer in
            writer.sharedText(workload.kind, &pools.texts)
            writer.text(workload.name)
        }
    }

    static func spec(_ reader: inout PackedReader, _ values: CachePools.Values) -> WrappedSecretSpec {
        var envelope = EnvelopeFields(
            format: reader.text() ?? "", scope: reader.text() ?? "", recipients: [],
            mac: reader.text() ?? "", data: [:])
        envelope.recipients =
            reader.list { reader in
                Recipient(
                    keyID: reader.text() ?? "", wrappedKey: reader.text() ?? "",
                    algorithm: reader.text())
            } ?? []
        envelope.droppedCiphertexts = DroppedCiphertexts(
            entryNames: values.readList(&reader), plaintextByteCount: reader.size(),
            digest: Array(reader.data()))
        var spec = WrappedSecretSpec(envelope: envelope)
        if reader.flag() == true {
            var template = WrappedSecretSpec.Template()
            if reader.flag() == true {
                template.metadata = .init(
                    name: reader.text(), labels: values.readMap(&reader),
                    annotations: values.readMap(&reader))
            }
            template.type = reader.text()
            template.immutable = reader.flag()
            template.data = values.readMap(&reader)
            spec.template = template
        }
        let (kind, name) = (reader.text(), reader.text())
        if let kind, let name { spec.keyRef = .init(kind: kind, name: name) }
        spec.creationPolicy = reader.text()
        spec.recreate = reader.flag()
        spec.suspend = reader.flag()
        spec.rolloutRestart = reader.list { reader in
            .init(kind: reader.text() ?? "", name: reader.text() ?? "")
        }
        return spec
    }
}
