import Envelope
import KubeClient
import Resources
import System

/// Packs the objects of a cache into a few hundred bytes each, and unpacks them when a reconcile needs them. What most
/// objects have in common (namespace, key ids, labels, managed fields) is kept once for all. Thread-safe.
final class CacheCodec: Sendable {
    private struct Shared {
        var writer = PackedWriter()
        var texts = SharedValues<String>(limit: 8192)
        var sets = SharedValues<Set<String>>(limit: 1024)
        var lists = SharedValues<[String]>(limit: 1024)
        var maps = SharedValues<[String: String]>(limit: 1024)

        /// Returns the writer, whose buffer is used again.
        mutating func takeWriter() -> PackedWriter {
            defer { writer = PackedWriter() }
            return writer
        }
    }

    /// The shared values, as a reader needs them.
    private struct SharedLists: Sendable {
        let texts: [String]
        let sets: [Set<String>]
        let lists: [[String]]
        let maps: [[String: String]]
    }

    private var sharedLists: SharedLists {
        shared.withLock {
            SharedLists(
                texts: $0.texts.values, sets: $0.sets.values, lists: $0.lists.values, maps: $0.maps.values)
        }
    }

    /// Sets, lists and maps with more entries are stored with their object.
    private static let maximumSharedEntries = 16

    private let shared = Locked(Shared())

    /// Returns nil for an object that cannot be packed: one that is malformed, or whose envelope is invalid.
    func pack(_ item: Decoded<WrappedSecret>) -> [UInt8]? {
        guard case .object(let object) = item else { return nil }
        let envelope = object.spec.envelope
        guard envelope.data.isEmpty, let dropped = envelope.droppedCiphertexts, dropped.problem == nil else {
            return nil
        }
        let bytes = shared.withLock { shared in
            var writer = shared.takeWriter()
            defer { shared.writer = writer }
            Self.write(object.metadata, to: &writer, &shared)
            writer.flag(object.isAbridged)
            Self.write(object.spec, dropped, to: &writer, &shared)
            Self.write(object.status, to: &writer, &shared)
            return writer.finish()
        }
        assert(unpackedObject(bytes) == object, "a field is missing in the packed form")
        return bytes
    }

    func unpackObject(_ bytes: [UInt8]) -> Decoded<WrappedSecret> { .object(unpackedObject(bytes)) }

    private func unpackedObject(_ bytes: [UInt8]) -> WrappedSecret {
        let shared = sharedLists
        return bytes.withUnsafeBytes { bytes in
            var reader = PackedReader(bytes, texts: shared.texts)
            let metadata = Self.metadata(&reader, shared)
            let isAbridged = reader.flag() ?? false
            let spec = Self.spec(&reader, shared)
            var object = WrappedSecret(metadata: metadata, spec: spec, status: Self.status(&reader))
            object.isAbridged = isAbridged
            return object
        }
    }

    func pack(_ secret: ObjectMeta) -> [UInt8] {
        let bytes = shared.withLock { shared in
            var writer = shared.takeWriter()
            defer { shared.writer = writer }
            Self.write(secret, to: &writer, &shared)
            return writer.finish()
        }
        assert(unpackMetadata(bytes) == secret, "a field is missing in the packed form")
        return bytes
    }

    func unpackMetadata(_ bytes: [UInt8]) -> ObjectMeta {
        let shared = sharedLists
        return bytes.withUnsafeBytes { bytes in
            var reader = PackedReader(bytes, texts: shared.texts)
            return Self.metadata(&reader, shared)
        }
    }

    // MARK: metadata

    private static func write(_ metadata: ObjectMeta, to writer: inout PackedWriter, _ shared: inout Shared) {
        writer.text(metadata.name)
        writer.sharedText(metadata.namespace, &shared.texts)
        writer.text(metadata.uid)
        writer.text(metadata.resourceVersion)
        writer.integer(metadata.generation)
        writer.text(metadata.creationTimestamp)
        writer.text(metadata.deletionTimestamp)
        write(metadata.labels, isShared: true, to: &writer, &shared)
        write(metadata.annotations, isShared: false, to: &writer, &shared)
        list(metadata.ownerReferences, &writer) { owner, writer in
            writer.sharedText(owner.apiVersion, &shared.texts)
            writer.sharedText(owner.kind, &shared.texts)
            writer.text(owner.name)
            writer.text(owner.uid)
            writer.flag(owner.controller)
            writer.flag(owner.blockOwnerDeletion)
        }
        list(metadata.managedFields, &writer) { fields, writer in
            writer.sharedText(fields.manager, &shared.texts)
            writer.text(fields.time)
            for keys in [fields.labels, fields.annotations, fields.data] {
                write(keys, to: &writer, &shared)
            }
            writer.flag(fields.ownsImmutable)
        }
        writer.flag(metadata.isAbridged)
    }

    private static func metadata(_ reader: inout PackedReader, _ shared: SharedLists) -> ObjectMeta {
        var metadata = ObjectMeta(name: reader.text() ?? "")
        metadata.namespace = reader.text()
        metadata.uid = reader.text()
        metadata.resourceVersion = reader.text()
        metadata.generation = reader.integer()
        metadata.creationTimestamp = reader.text()
        metadata.deletionTimestamp = reader.text()
        metadata.labels = map(&reader, shared)
        metadata.annotations = map(&reader, shared)
        metadata.ownerReferences = list(&reader) { reader in
            var owner = OwnerReference(
                apiVersion: reader.text() ?? "", kind: reader.text() ?? "",
                name: reader.text() ?? "", uid: reader.text() ?? "")
            owner.controller = reader.flag()
            owner.blockOwnerDeletion = reader.flag()
            return owner
        }
        metadata.managedFields = list(&reader) { reader in
            ManagedFieldsEntry(
                manager: reader.text() ?? "", time: reader.text(), labels: set(&reader, shared),
                annotations: set(&reader, shared), data: set(&reader, shared),
                ownsImmutable: reader.flag() ?? false)
        }
        metadata.isAbridged = reader.flag() ?? false
        return metadata
    }

    // MARK: spec

    private static func write(
        _ spec: WrappedSecretSpec, _ dropped: DroppedCiphertexts, to writer: inout PackedWriter,
        _ shared: inout Shared
    ) {
        let envelope = spec.envelope
        writer.sharedText(envelope.format, &shared.texts)
        writer.sharedText(envelope.scope, &shared.texts)
        writer.text(envelope.mac)
        list(envelope.recipients, &writer) { recipient, writer in
            writer.sharedText(recipient.keyID, &shared.texts)
            writer.text(recipient.wrappedKey)
            writer.sharedText(recipient.algorithm, &shared.texts)
        }
        write(dropped.entryNames, to: &writer, &shared)
        writer.count(dropped.plaintextByteCount)
        writer.data(dropped.digest)
        writer.flag(spec.template != nil)
        if let template = spec.template {
            writer.flag(template.metadata != nil)
            if let metadata = template.metadata {
                writer.text(metadata.name)
                write(metadata.labels, isShared: true, to: &writer, &shared)
                write(metadata.annotations, isShared: true, to: &writer, &shared)
            }
            writer.sharedText(template.type, &shared.texts)
            writer.flag(template.immutable)
            write(template.data, isShared: false, to: &writer, &shared)
        }
        writer.sharedText(spec.keyRef?.kind, &shared.texts)
        writer.sharedText(spec.keyRef?.name, &shared.texts)
        writer.sharedText(spec.creationPolicy, &shared.texts)
        writer.flag(spec.recreate)
        writer.flag(spec.suspend)
        list(spec.rolloutRestart, &writer) { workload, writer in
            writer.sharedText(workload.kind, &shared.texts)
            writer.text(workload.name)
        }
    }

    private static func spec(_ reader: inout PackedReader, _ shared: SharedLists) -> WrappedSecretSpec {
        var envelope = EnvelopeFields(
            format: reader.text() ?? "", scope: reader.text() ?? "", recipients: [],
            mac: reader.text() ?? "", data: [:])
        envelope.recipients =
            list(&reader) { reader in
                Recipient(
                    keyID: reader.text() ?? "", wrappedKey: reader.text() ?? "",
                    algorithm: reader.text())
            } ?? []
        envelope.droppedCiphertexts = DroppedCiphertexts(
            entryNames: names(&reader, shared), plaintextByteCount: reader.size(),
            digest: Array(reader.data()))
        var spec = WrappedSecretSpec(envelope: envelope)
        if reader.flag() == true {
            var template = WrappedSecretSpec.Template()
            if reader.flag() == true {
                template.metadata = .init(
                    name: reader.text(), labels: map(&reader, shared),
                    annotations: map(&reader, shared))
            }
            template.type = reader.text()
            template.immutable = reader.flag()
            template.data = map(&reader, shared)
            spec.template = template
        }
        let (kind, name) = (reader.text(), reader.text())
        if let kind, let name { spec.keyRef = .init(kind: kind, name: name) }
        spec.creationPolicy = reader.text()
        spec.recreate = reader.flag()
        spec.suspend = reader.flag()
        spec.rolloutRestart = list(&reader) { reader in
            .init(kind: reader.text() ?? "", name: reader.text() ?? "")
        }
        return spec
    }

    // MARK: status

    private static func write(
        _ status: WrappedSecretStatus?, to writer: inout PackedWriter, _ shared: inout Shared
    ) {
        writer.flag(status != nil)
        guard let status else { return }
        writer.integer(status.observedGeneration)
        writer.sharedText(status.keyID, &shared.texts)
        writer.sharedText(status.keyVersion, &shared.texts)
        writer.flag(status.secret != nil)
        if let secret = status.secret {
            writer.text(secret.name)
            writer.text(secret.uid)
            writer.text(secret.resourceVersion)
            writer.integer(secret.generation)
            writer.text(secret.mac)
            writer.text(secret.templateHash)
            writer.integer(secret.renderVersion.map(Int64.init))
        }
        list(status.conditions, &writer) { condition, writer in
            writer.sharedText(condition.type, &shared.texts)
            writer.sharedText(condition.status, &shared.texts)
            writer.integer(condition.observedGeneration)
            writer.text(condition.lastTransitionTime)
            writer.sharedText(condition.reason, &shared.texts)
            let isSynced = condition.message == syncedMessage(status.secret)
            writer.flag(isSynced)
            if !isSynced { writer.text(condition.message) }
        }
        writer.flag(status.rolloutRestart != nil)
        if let restart = status.rolloutRestart {
            writer.text(restart.mac)
            writer.text(restart.templateHash)
            writer.text(restart.time)
        }
        writer.text(status.lastSyncTime)
        writer.text(status.lastVerifiedTime)
        writer.text(status.lastHandledSync)
    }

    private static func status(_ reader: inout PackedReader) -> WrappedSecretStatus? {
        guard reader.flag() == true else { return nil }
        var status = WrappedSecretStatus()
        status.observedGeneration = reader.integer()
        status.keyID = reader.text()
        status.keyVersion = reader.text()
        if reader.flag() == true {
            var secret = WrappedSecretStatus.SecretState(
                name: "", uid: "", resourceVersion: "", generation: 0, mac: "", renderVersion: 0)
            secret.name = reader.text()
            secret.uid = reader.text()
            secret.resourceVersion = reader.text()
            secret.generation = reader.integer()
            secret.mac = reader.text()
            secret.templateHash = reader.text()
            secret.renderVersion = reader.integer().flatMap(Int.init(exactly:))
            status.secret = secret
        }
        status.conditions = list(&reader) { reader in
            var condition = Condition(
                .ready, true, observedGeneration: nil, lastTransitionTime: "", reason: "", message: "")
            condition.type = reader.text() ?? ""
            condition.status = reader.text() ?? ""
            condition.observedGeneration = reader.integer()
            condition.lastTransitionTime = reader.text() ?? ""
            condition.reason = reader.text() ?? ""
            condition.message =
                reader.flag() == true ? syncedMessage(status.secret) : reader.text() ?? ""
            return condition
        }
        if reader.flag() == true {
            status.rolloutRestart = .init(
                mac: reader.text(), templateHash: reader.text(), time: "")
            status.rolloutRestart?.time = reader.text()
        }
        status.lastSyncTime = reader.text()
        status.lastVerifiedTime = reader.text()
        status.lastHandledSync = reader.text()
        return status
    }

    /// The message of nearly all objects, which is not stored.
    private static func syncedMessage(_ secret: WrappedSecretStatus.SecretState?) -> String {
        "Secret \(secret?.name ?? "") is up to date"
    }

    // MARK: collections

    private static func list<Element>(
        _ elements: [Element]?, _ writer: inout PackedWriter,
        _ write: (Element, inout PackedWriter) -> Void
    ) {
        writer.count((elements?.count ?? -1) + 1)
        for element in elements ?? [] { write(element, &writer) }
    }

    private static func list<Element>(
        _ reader: inout PackedReader, _ read: (inout PackedReader) -> Element
    ) -> [Element]? {
        let count = reader.listSize()
        return count > 0 ? (1..<count).map { _ in read(&reader) } : nil
    }

    /// A set, list or map begins with 0 if it is shared, and otherwise with its count plus 1.
    private static func write(_ names: [String], to writer: inout PackedWriter, _ shared: inout Shared) {
        if names.count <= maximumSharedEntries, names.allSatisfy(\.isShareable),
            let index = shared.lists.index(of: names)
        {
            writer.count(0)
            return writer.count(index)
        }
        writer.count(names.count + 1)
        for name in names { writer.sharedText(name, &shared.texts) }
    }

    private static func names(_ reader: inout PackedReader, _ shared: SharedLists) -> [String] {
        let count = reader.listSize()
        guard count > 0 else {
            let index = reader.size()
            return shared.lists.indices.contains(index) ? shared.lists[index] : []
        }
        return (1..<count).map { _ in reader.text() ?? "" }
    }

    private static func write(_ keys: Set<String>, to writer: inout PackedWriter, _ shared: inout Shared) {
        if keys.count <= maximumSharedEntries, keys.allSatisfy(\.isShareable),
            let index = shared.sets.index(of: keys)
        {
            writer.count(0)
            return writer.count(index)
        }
        writer.count(keys.count + 1)
        for key in keys.sorted() { writer.sharedText(key, &shared.texts) }
    }

    private static func set(_ reader: inout PackedReader, _ shared: SharedLists) -> Set<String> {
        let count = reader.listSize()
        guard count > 0 else {
            let index = reader.size()
            return shared.sets.indices.contains(index) ? shared.sets[index] : []
        }
        return Set((1..<count).map { _ in reader.text() ?? "" })
    }

    /// - Parameter isShared: whether most objects have the same map.
    private static func write(
        _ map: [String: String]?, isShared: Bool, to writer: inout PackedWriter, _ shared: inout Shared
    ) {
        writer.flag(map != nil)
        guard let map else { return }
        if isShared, map.count <= maximumSharedEntries,
            map.allSatisfy({ $0.key.isShareable && $0.value.isShareable }),
            let index = shared.maps.index(of: map)
        {
            writer.count(0)
            return writer.count(index)
        }
        writer.count(map.count + 1)
        for (key, value) in map.sorted(by: { $0.key < $1.key }) {
            writer.sharedText(key, &shared.texts)
            writer.text(value)
        }
    }

    private static func map(_ reader: inout PackedReader, _ shared: SharedLists) -> [String: String]? {
        guard reader.flag() == true else { return nil }
        let count = reader.listSize()
        guard count > 0 else {
            let index = reader.size()
            return shared.maps.indices.contains(index) ? shared.maps[index] : [:]
        }
        var map: [String: String] = [:]
        for _ in 1..<count {
            guard let key = reader.text() else { break }
            map[key] = reader.text()
        }
        return map
    }
}
