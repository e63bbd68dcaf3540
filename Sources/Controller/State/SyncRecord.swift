import Envelope
import KubeClient
import Resources

/// The recipient that unwrapped a data key, and the version of its key.
struct UnwrappingKey: Sendable, Equatable {
    let id: String?
    let version: String?

    init(id: String?, version: String?) {
        self.id = id
        self.version = version
    }

    init(_ opened: OpenedEnvelope) { self.init(id: opened.keyID, version: opened.keyVersion) }
}

/// The state of a WrappedSecret that this process has synced: the envelope that it unwrapped, the data that it
/// wrote or compared, and the status that it wrote. Holds digests and hashes, and no values.
struct SyncRecord: Sendable {
    private struct VerifiedEnvelope {
        let uid: String?
        let digest: [UInt8]
        let key: UnwrappingKey
    }

    private struct StatusFingerprint {
        /// The hash of the object's uid.
        let uid: Int
        let hash: Int
    }

    /// The status records a new verification of the data at most this often.
    static let verificationInterval = Duration.seconds(60)

    private var envelope: VerifiedEnvelope?
    private var status: StatusFingerprint?
    private(set) var data: VerifiedData?
    private var dataRecordedAt: ContinuousClock.Instant?

    var isEmpty: Bool { envelope == nil && status == nil && data == nil }

    init() {}

    // MARK: envelope

    /// Remembers that the envelope of `object` was unwrapped, so that a change of labels, annotations or type alone
    /// needs no KMS.
    ///
    /// - Parameter digest: `EnvelopeSummary.digest`.
    mutating func envelopeVerified(_ object: ObjectMeta, digest: [UInt8], key: UnwrappingKey) {
        envelope = VerifiedEnvelope(uid: object.uid, digest: digest, key: key)
    }

    /// Returns the key that unwrapped this envelope, or nil if this process has not unwrapped it.
    func unwrappingKey(of object: ObjectMeta, digest: [UInt8]) -> UnwrappingKey? {
        guard let envelope, envelope.uid == object.uid, envelope.digest == digest else { return nil }
        return envelope.key
    }

    // MARK: data

    /// The record takes the data that was written and that the status is about to record; nil makes it forget the data.
    mutating func dataWritten(_ written: VerifiedData?) {
        data = written
        dataRecordedAt = written.map { _ in .now }
    }

    /// Remembers that a later version of the same Secret holds the same data.
    ///
    /// - Parameter isRecorded: whether the status records that.
    mutating func dataUnchanged(uid: String, resourceVersion: String, isRecorded: Bool) {
        guard let known = data, known.uid == uid else { return }
        data = VerifiedData(
            uid: uid, resourceVersion: resourceVersion, sourceDigest: known.sourceDigest,
            dataDigest: known.dataDigest, isWholeSecret: known.isWholeSecret)
        if isRecorded { dataRecordedAt = .now }
    }

    /// A status write that only records a new verification has to wait this long, or not at all if the result is nil.
    func delayBeforeRecording(now: ContinuousClock.Instant = .now) -> Duration? {
        guard let dataRecordedAt else { return nil }
        let delay = Self.verificationInterval - dataRecordedAt.duration(to: now)
        return delay > .zero ? delay : nil
    }

    // MARK: status

    /// Remembers the status that this process writes, or found correct. Must be called before the write, so that the
    /// watch cannot show the status first.
    ///
    /// A replica that is not the leader expects no status, so that it does not revert what the leader writes.
    mutating func expectStatus(_ status: WrappedSecretStatus?, of object: ObjectMeta) {
        self.status = StatusFingerprint(uid: object.uid.hashValue, hash: Self.hash(status))
    }

    mutating func forgetStatus() {
        status = nil
    }

    /// Returns whether another writer has changed the status since this process wrote it.
    func isExternallyModified(_ status: WrappedSecretStatus?, of object: ObjectMeta) -> Bool {
        guard let known = self.status, known.uid == object.uid.hashValue else { return false }
        return known.hash != Self.hash(status)
    }

    /// Leaves out a field that an older CRD does not have, because the API server would drop it from each write.
    private static func hash(_ status: WrappedSecretStatus?) -> Int {
        var status = status
        status?.lastVerifiedTime = nil
        return status.hashValue
    }
}

/// The packed form, of which there is one for each object in sync.
extension SyncRecord {
    /// Returns nil for an empty record.
    func packed() -> [UInt8]? {
        guard !isEmpty else { return nil }
        var writer = PackedWriter()
        writer.flag(status != nil)
        if let status {
            writer.integer(Int64(status.uid))
            writer.integer(Int64(status.hash))
        }
        writer.flag(envelope != nil)
        if let envelope {
            writer.text(envelope.uid)
            writer.data(envelope.digest)
            writer.text(envelope.key.id)
            writer.text(envelope.key.version)
        }
        writer.flag(data != nil)
        if let data {
            writer.text(data.uid)
            writer.text(data.resourceVersion)
            writer.data(data.sourceDigest)
            writer.data(data.dataDigest)
            writer.flag(data.isWholeSecret)
        }
        writer.integer(dataRecordedAt.map { Self.epoch.duration(to: $0).components.seconds })
        return writer.finish()
    }

    /// Reads a packed record. No bytes are an empty record.
    init(packed bytes: [UInt8]?) {
        guard let bytes else { return }
        bytes.withUnsafeBytes { bytes in
            var reader = PackedReader(bytes)
            if reader.flag() == true, let uid = reader.integer(), let hash = reader.integer() {
                status = StatusFingerprint(uid: Int(uid), hash: Int(hash))
            }
            if reader.flag() == true {
                envelope = VerifiedEnvelope(
                    uid: reader.text(), digest: Array(reader.data()),
                    key: UnwrappingKey(id: reader.text(), version: reader.text()))
            }
            if reader.flag() == true {
                data = VerifiedData(
                    uid: reader.text() ?? "", resourceVersion: reader.text() ?? "",
                    sourceDigest: Array(reader.data()), dataDigest: Array(reader.data()),
                    isWholeSecret: reader.flag() ?? false)
            }
            dataRecordedAt = reader.integer().map { Self.epoch + .seconds($0) }
        }
    }

    /// Packed times count the seconds from here.
    private static let epoch = ContinuousClock.now
}
