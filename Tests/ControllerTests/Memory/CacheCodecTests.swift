import Envelope
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

struct CacheCodecTests {
    private static let texts = [
        "", "a", "db", "10", "0", "007", "18446744073709551615", "999999999999999999", "-1",
        "3f8a1c5e-0b2d-4e6f-8a9b-0c1d2e3f4a5b", "3F8A1C5E-0B2D-4E6F-8A9B-0C1D2E3F4A5B",
        "3f8a1c5e-0b2d-4e6f-8a9b-0c1d2e3f4a5b/12", "3f8a1c5e-0b2d-4e6f-8a9b-0c1d2e3f4a5",
        "3f8a1c5e00b2d-4e6f-8a9b-0c1d2e3f4a5b", "2026-11-26T02:39:28Z", "9999-99-99T99:99:99Z",
        "2026-11-26T02:39:28.5Z", "2026-11-26t02:39:28Z", "vault:v1:" + String(repeating: "QUJD", count: 20),
        "vault:v1:" + String(repeating: "QUJD", count: 20) + "QQ==", String(repeating: "QUJD", count: 11),
        String(repeating: "QUJ", count: 9) + "=", String(repeating: ":", count: 30), "e\u{301}", "\u{E9}",
        "\u{0}", String(repeating: "é", count: 200), String(repeating: "x", count: 5000),
    ]

    private func text(_ random: inout SeededGenerator) -> String {
        Self.texts.randomElement(using: &random) ?? ""
    }

    private func maybe<Value>(
        _ random: inout SeededGenerator, _ value: (inout SeededGenerator) -> Value
    ) -> Value? {
        Bool.random(using: &random) ? value(&random) : nil
    }

    private func list<Value>(
        _ random: inout SeededGenerator, _ value: (inout SeededGenerator) -> Value
    ) -> [Value] {
        (0..<Int.random(in: 0...3, using: &random)).map { _ in value(&random) }
    }

    private func map(_ random: inout SeededGenerator) -> [String: String] {
        Dictionary(list(&random) { (text(&$0), text(&$0)) }) { first, _ in first }
    }

    private func integer(_ random: inout SeededGenerator) -> Int64 {
        [0, 1, -1, 127, 128, .max, .min].randomElement(using: &random) ?? 0
    }

    private func metadata(_ random: inout SeededGenerator) -> ObjectMeta {
        var metadata = ObjectMeta(name: text(&random))
        metadata.namespace = maybe(&random, text)
        metadata.uid = maybe(&random, text)
        metadata.resourceVersion = maybe(&random, text)
        metadata.generation = maybe(&random, integer)
        metadata.creationTimestamp = maybe(&random, text)
        metadata.deletionTimestamp = maybe(&random, text)
        metadata.labels = maybe(&random, map)
        metadata.annotations = maybe(&random, map)
        metadata.isAbridged = Bool.random(using: &random)
        metadata.ownerReferences = maybe(&random) {
            list(&$0) {
                var owner = OwnerReference(
                    apiVersion: text(&$0), kind: text(&$0), name: text(&$0), uid: text(&$0))
                owner.controller = maybe(&$0) { .random(using: &$0) }
                owner.blockOwnerDeletion = maybe(&$0) { .random(using: &$0) }
                return owner
            }
        }
        metadata.managedFields = maybe(&random) {
            list(&$0) {
                ManagedFieldsEntry(
                    manager: text(&$0), time: maybe(&$0, text), labels: Set(list(&$0, text)),
                    annotations: Set(list(&$0, text)), data: Set(list(&$0, text)),
                    ownsImmutable: .random(using: &$0))
            }
        }
        return metadata
    }

    private func status(_ random: inout SeededGenerator) -> WrappedSecretStatus {
        var status = WrappedSecretStatus()
        status.observedGeneration = maybe(&random, integer)
        status.keyID = maybe(&random, text)
        status.keyVersion = maybe(&random, text)
        status.lastSyncTime = maybe(&random, text)
        status.lastVerifiedTime = maybe(&random, text)
        status.lastHandledSync = maybe(&random, text)
        status.secret = maybe(&random) {
            var secret = WrappedSecretStatus.SecretState(
                name: text(&$0), uid: text(&$0), resourceVersion: text(&$0), generation: integer(&$0),
                mac: text(&$0), templateHash: maybe(&$0, text), renderVersion: Int(integer(&$0)))
            if Bool.random(using: &$0) { secret.name = nil }
            return secret
        }
        status.rolloutRestart = maybe(&random) {
            .init(mac: maybe(&$0, text), templateHash: maybe(&$0, text), time: text(&$0))
        }
        let name = status.secret?.name ?? ""
        status.conditions = maybe(&random) {
            list(&$0) {
                var condition = Condition(
                    .ready, .random(using: &$0), observedGeneration: maybe(&$0, integer),
                    lastTransitionTime: text(&$0), reason: text(&$0),
                    message: Bool.random(using: &$0) ? text(&$0) : "Secret \(name) is up to date")
                if Bool.random(using: &$0) { condition.type = text(&$0) }
                return condition
            }
        }
        return status
    }

    private func object(_ random: inout SeededGenerator) -> WrappedSecret {
        var envelope = EnvelopeFields(
            format: text(&random), scope: text(&random),
            recipients: list(&random) {
                Recipient(keyID: text(&$0), wrappedKey: text(&$0), algorithm: maybe(&$0, text))
            }, mac: text(&random), data: [:])
        envelope.droppedCiphertexts = DroppedCiphertexts(
            entryNames: list(&random, text),
            plaintextByteCount: Int.random(in: 0...(1 << 40), using: &random),
            digest: list(&random) { .random(in: 0...255, using: &$0) })
        var spec = WrappedSecretSpec(envelope: envelope)
        spec.template = maybe(&random) {
            .init(
                metadata: maybe(&$0) {
                    .init(name: maybe(&$0, text), labels: maybe(&$0, map), annotations: maybe(&$0, map))
                }, type: maybe(&$0, text), immutable: maybe(&$0) { .random(using: &$0) },
                data: maybe(&$0, map))
        }
        spec.keyRef = maybe(&random) { .init(kind: text(&$0), name: text(&$0)) }
        spec.creationPolicy = maybe(&random, text)
        spec.recreate = maybe(&random) { .random(using: &$0) }
        spec.suspend = maybe(&random) { .random(using: &$0) }
        spec.rolloutRestart = maybe(&random) { list(&$0) { .init(kind: text(&$0), name: text(&$0)) } }
        var object = WrappedSecret(metadata: metadata(&random), spec: spec, status: maybe(&random, status))
        object.isAbridged = .random(using: &random)
        return object
    }

    @Test(arguments: DifferentialRun.seeds) func unpacksWhatItPacked(seed: Int) throws {
        var random = SeededGenerator(seed)
        let codec = CacheCodec()
        for _ in 0..<DifferentialRun.documents(100) {
            let object = object(&random)
            let packed = try #require(codec.pack(.object(object)))
            guard case .object(let unpacked) = codec.unpackObject(packed), unpacked == object else {
                Issue.record("seed \(seed): \(object)")
                continue
            }
            let secret = metadata(&random)
            if codec.unpackMetadata(codec.pack(secret)) != secret {
                Issue.record("seed \(seed): \(secret)")
            }
        }
    }

    /// `==` of strings would also equate different bytes.
    @Test func keepsTheBytesOfATextAmongEquivalentOnes() {
        let codec = CacheCodec()
        for text in Self.texts + Self.texts {
            var secret = ObjectMeta(name: "e\u{301}", namespace: text, uid: text)
            secret.labels = [text: text]
            let unpacked = codec.unpackMetadata(codec.pack(secret))
            #expect(unpacked.uid.map { Array($0.utf8) } == Array(text.utf8))
            #expect(unpacked.namespace.map { Array($0.utf8) } == Array(text.utf8))
            #expect(unpacked.labels?.keys.first.map { Array($0.utf8) } == Array(text.utf8))
        }
    }

    @Test func readsTruncatedBytesWithoutATrap() throws {
        var random = SeededGenerator(1)
        let codec = CacheCodec()
        for _ in 0..<20 {
            let packed = try #require(codec.pack(.object(object(&random))))
            let ends = (0..<50).map { _ in Int.random(in: 0..<packed.count, using: &random) }
            for end in ends + Array(max(0, packed.count - 20)..<packed.count) {
                _ = codec.unpackObject(Array(packed[..<end]))
            }
        }
    }

    @Test func packsEqualObjectsIntoEqualBytes() {
        var random = SeededGenerator(2)
        let codec = CacheCodec()
        for _ in 0..<100 {
            let secret = metadata(&random)
            #expect(codec.pack(secret) == codec.pack(secret))
        }
    }

    private func rebuilt(_ map: [String: String]) -> [String: String] {
        var copy = [String: String](minimumCapacity: 512)
        for (key, value) in map { copy[key] = value }
        return copy
    }

    /// The pools fill up on the way, and collections are larger than those that are shared.
    @Test func packsEqualCollectionsIntoEqualBytesWhateverTheirOrder() {
        let codec = CacheCodec(pools: CachePools(texts: 200, collections: 20))
        for number in 0..<300 {
            let map = Dictionary(
                uniqueKeysWithValues: (0..<(number % 40)).map { ("k\($0)-\(number)", "v\(number)") })
            var (secret, other) = (ObjectMeta(name: "s\(number)"), ObjectMeta(name: "s\(number)"))
            (secret.labels, secret.annotations) = (map, map)
            (other.labels, other.annotations) = (rebuilt(map), rebuilt(map))
            var copy = Set<String>(minimumCapacity: 512)
            for key in map.keys { copy.insert(key) }
            secret.managedFields = [ManagedFieldsEntry(manager: "m\(number)", labels: Set(map.keys))]
            other.managedFields = [ManagedFieldsEntry(manager: "m\(number)", labels: copy)]
            let bytes = codec.pack(secret)
            #expect(bytes == codec.pack(other))
            #expect(codec.unpackMetadata(bytes) == secret)
        }
    }

    @Test func poolsAreBoundedInBytes() {
        var pools = CachePools()
        var writer = PackedWriter()
        for number in 0..<2000 {
            pools.write((0..<16).map { String(repeating: "x", count: 240) + "\(number)-\($0)" }, to: &writer)
            _ = writer.finish()
        }
        #expect(pools.values.lists.joined().reduce(0) { $0 + $1.utf8.count } <= 600 << 10)
        #expect(pools.values.texts.reduce(0) { $0 + $1.utf8.count } <= 600 << 10)
    }

    @Test func keepsManyTextsOfOneObject() {
        var secret = ObjectMeta(name: "db", namespace: "payments")
        secret.annotations = Dictionary(
            uniqueKeysWithValues: (0..<300).map { ("k\($0)", "value \($0 % 150)") })
        let codec = CacheCodec()
        #expect(codec.unpackMetadata(codec.pack(secret)) == secret)
    }

    /// To compare each text with all earlier ones would take quadratic time.
    @Test func comparesATextWithALimitedNumberOfEarlierOnes() {
        var writer = PackedWriter()
        func text(_ number: Int) -> String { "the text of number \(number)" }
        for number in 0...PackedForm.maximumEarlierTexts { writer.text(text(number)) }
        /// Returns the bytes of one more text.
        func bytes(of number: Int) -> Int {
            var (without, with) = (writer, writer)
            with.text(text(number))
            return with.finish().count - without.finish().count
        }
        #expect(bytes(of: 0) <= 3)
        #expect(bytes(of: PackedForm.maximumEarlierTexts - 1) <= 3)
        #expect(bytes(of: PackedForm.maximumEarlierTexts) > text(0).utf8.count)
    }

    @Test func abridgesManyManagedFieldsWithoutKeys() {
        var secret = ObjectMeta(name: "db", namespace: "payments")
        secret.managedFields = (0..<1000).map { _ in ManagedFieldsEntry(manager: "") }
        #expect(CacheTransform.transformed(secret).isAbridged)
    }

    @Test func doesNotPackAnObjectWithCiphertexts() {
        #expect(CacheCodec().pack(.object(unsealedWrappedSecret())) == nil)
    }

    /// The records of one object in sync, whatever the size of its Secret: the WrappedSecret, its Secret's metadata and
    /// what the tracker knows. The tracker knows more of an object that this process has synced itself.
    @Test(arguments: [40, 140_000]) func anObjectInSyncTakesAtMost600Bytes(ciphertextLength: Int) throws {
        let (uid, name) = ("3f8a1c5e-0b2d-4e6f-8a9b-0c1d2e3f4a5b", "service-00042-credentials")
        let time = "2026-11-26T02:39:28Z"
        var object = unsealedWrappedSecret(name)
        object.metadata.uid = uid
        object.metadata.resourceVersion = "8000042"
        object.spec.envelope.recipients = [
            Recipient(
                keyID: "vault-transit:transit/sb-wrap",
                wrappedKey: "vault:v1:" + String(repeating: "QUJD", count: 20))
        ]
        object.spec.envelope.data = ["password": String(repeating: "QUJD", count: ciphertextLength / 4)]
        var status = WrappedSecretStatus()
        (status.observedGeneration, status.keyID, status.keyVersion) = (
            3, "vault-transit:transit/sb-wrap", "1"
        )
        (status.lastSyncTime, status.lastVerifiedTime) = (time, time)
        status.secret = .init(
            name: name, uid: "7c1f0a9e-5d4b-4c3a-9e8f-112233445566", resourceVersion: "9000042",
            generation: 3,
            mac: object.spec.envelope.mac, renderVersion: 1)
        status.conditions = [
            Condition(
                .ready, true, observedGeneration: 3, lastTransitionTime: time, reason: "Synced",
                message: "Secret \(name) is up to date")
        ]
        object.status = status
        var secret = ObjectMeta(
            name: name, namespace: "payments", uid: status.secret?.uid, resourceVersion: "9000042",
            labels: OwnershipMetadata.labels, annotations: OwnershipMetadata.annotations(of: object),
            ownerReferences: OwnershipMetadata.ownerReferences(to: object))
        secret.managedFields = [
            ManagedFieldsEntry(
                manager: KubeClient.fieldManager, time: time, labels: Set(OwnershipMetadata.labels.keys),
                annotations: Set(OwnershipMetadata.annotations(of: object).keys), data: ["password"])
        ]
        let codec = CacheCodec()
        let cached = CacheTransform.transformed(.object(object))
        guard case .object(let kept) = cached, let digest = kept.spec.envelope.droppedCiphertexts?.digest
        else {
            Issue.record("the object was not kept")
            return
        }
        var record = SyncRecord()
        record.expectStatus(status, of: object.metadata)
        let packed = [codec.pack(cached), codec.pack(CacheTransform.transformed(secret))]
        #expect(Self.memory(packed + [record.packed()]) <= 600)
        record.envelopeVerified(
            object.metadata, digest: digest, key: UnwrappingKey(id: status.keyID, version: "1"))
        record.dataWritten(
            VerifiedData(
                uid: secret.uid ?? "", resourceVersion: "9000042", sourceDigest: digest,
                dataDigest: Array(digest.prefix(16)), isWholeSecret: true))
        #expect(Self.memory(packed + [record.packed()]) <= 768)
    }

    /// Each array has 32 bytes before its elements, and the allocator adds 8 and rounds up to 16.
    private static func memory(_ records: [[UInt8]?]) -> Int {
        records.reduce(0) { $0 + (($1?.count ?? 0) + 32 + 8 + 15) / 16 * 16 }
    }
}

struct PackedSyncRecordTests {
    private let object = ObjectMeta(name: "db", namespace: "payments", uid: "u1")

    @Test func anEmptyRecordIsNotKept() {
        #expect(SyncRecord().packed() == nil)
        #expect(SyncRecord(packed: nil).isEmpty)
    }

    @Test func keepsWhatWasVerified() {
        var record = SyncRecord()
        record.envelopeVerified(
            object, digest: [1, 2, 3], key: UnwrappingKey(id: "local:test", version: nil))
        let data = VerifiedData(
            uid: "s1", resourceVersion: "7", sourceDigest: [4], dataDigest: [5, 6], isWholeSecret: true)
        record.dataWritten(data)
        record.expectStatus(WrappedSecretStatus(), of: object)
        let kept = SyncRecord(packed: record.packed())
        #expect(kept.data == data)
        #expect(
            kept.unwrappingKey(of: object, digest: [1, 2, 3]) == UnwrappingKey(id: "local:test", version: nil)
        )
        #expect(kept.unwrappingKey(of: object, digest: [1, 2]) == nil)
        #expect(kept.delayBeforeRecording() != nil)
        #expect(!kept.isExternallyModified(WrappedSecretStatus(), of: object))
        #expect(kept.isExternallyModified(nil, of: object))
        #expect(!kept.isExternallyModified(nil, of: ObjectMeta(name: "db", uid: "u2")))
    }
}
