import Envelope
import KubeClient
import Resources

/// The recipient that unwrapped a data key, and the version of its key.
struct RecipientKey: Sendable, Equatable {
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
        let key: RecipientKey
    }

    private struct StatusFingerprint {
        let uid: String?
        let hash: Int
    }

    /// The status records a new verification of the data at most this often.
    static let verificationInterval = Duration.seconds(60)

    private var envelope: VerifiedEnvelope?
    private var status: StatusFingerprint?
    private(set) var data: VerifiedData?
    private var dataRecordedAt: ContinuousClock.Instant?

    var isEmpty: Bool { envelope == nil && status == nil && data == nil }

    // MARK: envelope

    /// Remembers that the envelope of `object` was unwrapped, so that a change of labels, annotations or type alone
    /// needs no KMS.
    ///
    /// - Parameter digest: `EnvelopeSummary.digest`.
    mutating func envelopeVerified(_ object: ObjectMeta, digest: [UInt8], key: RecipientKey) {
        envelope = VerifiedEnvelope(uid: object.uid, digest: digest, key: key)
    }

    /// Returns the key that unwrapped this envelope, or nil if this process has not unwrapped it.
    func recipientKey(of object: ObjectMeta, digest: [UInt8]) -> RecipientKey? {
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
        self.status = StatusFingerprint(uid: object.uid, hash: Self.hash(status))
    }

    mutating func forgetStatus() {
        status = nil
    }

    /// Returns whether another writer has changed the status since this process wrote it.
    func isExternallyModified(_ status: WrappedSecretStatus?, of object: ObjectMeta) -> Bool {
        guard let known = self.status, known.uid == object.uid else { return false }
        return known.hash != Self.hash(status)
    }

    /// Leaves out a field that an older CRD does not have, because the API server would drop it from each write.
    private static func hash(_ status: WrappedSecretStatus?) -> Int {
        var status = status
        status?.lastVerifiedTime = nil
        return status.hashValue
    }
}
