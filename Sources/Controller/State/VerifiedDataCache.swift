import Cryptography
import Envelope
import KubeClient
import System

/// What this process knows of the data of one object's Secret, because it wrote or compared it.
struct VerifiedData: Sendable, Equatable {
    /// The Secret's.
    let uid: String
    /// The last version of the Secret that is known to hold the values.
    let resourceVersion: String
    /// `EnvelopeSummary.digest` of the envelope that the values are from.
    let envelopeDigest: [UInt8]
    /// `VerifiedDataCache.digest` of the values.
    let dataDigest: [UInt8]
}

/// Keyed digests of the values that were written into each Secret. A Secret whose resourceVersion moved is read and
/// compared with its digest, which proves its data without the KMS; `managedFields` prove nothing, because a writer
/// of a Secret can write them as well. The key is random for each process, so that a digest in a memory dump gives no
/// guess of a value away. Safe to use from any thread.
final class VerifiedDataCache: Sendable {
    private struct Entry {
        var proof: VerifiedData
        /// When the status last got a proof.
        var recorded: ContinuousClock.Instant?
    }

    /// The status of one object is told of a new proof at most this often.
    static let statusUpdateInterval = Duration.seconds(60)

    private let key = Locked<SharedSecret?>(nil)
    private let entries = Locked<[ObjectRef: Entry]>([:])

    /// The first 16 bytes of HMAC-SHA-256 over the names and values of the entries, in byte order of their names.
    func digest(_ values: [SecretEntry]) throws(CryptoError) -> [UInt8] {
        var digests: [(name: String, value: [UInt8])] = []
        for entry in values { digests.append((entry.name, try digest(ofValue: entry.value))) }
        return try digest(digests)
    }

    /// The keyed digest of one value.
    func digest(ofValue value: SharedSecret) throws(CryptoError) -> [UInt8] {
        let key = try processKey()
        let digest = try value.bytes.withUnsafeBytes { bytes throws(CryptoError) in
            try hmacSHA256(bytes, key: key.bytes)
        }
        return digest.withUnsafeBytes { Array($0) }
    }

    /// The digest of a Secret whose values have these digests.
    func digest(_ values: [(name: String, value: [UInt8])]) throws(CryptoError) -> [UInt8] {
        var text: [UInt8] = []
        for (name, value) in values.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            text += Array("\(name.utf8.count):\(name)".utf8) + value
        }
        return try hmacSHA256(text, key: processKey().bytes).withUnsafeBytes { Array($0.prefix(16)) }
    }

    private func processKey() throws(CryptoError) -> SharedSecret {
        if let known = key.withLock({ $0 }) { return known }
        let fresh = SharedSecret(try SecretBytes.random(count: 32))
        return key.withLock { key in
            let first = key ?? fresh
            key = first
            return first
        }
    }

    subscript(ref: ObjectRef) -> VerifiedData? {
        entries.withLock { $0[ref]?.proof }
    }

    /// The Secret of `ref` was written or compared. `isRecorded`: the status says so already.
    func record(_ proof: VerifiedData, for ref: ObjectRef, isRecorded: Bool) {
        entries.withLock { entries in
            entries[ref] = Entry(proof: proof, recorded: isRecorded ? .now : entries[ref]?.recorded)
        }
    }

    /// The same values in a later version of the Secret.
    func advance(_ ref: ObjectRef, uid: String, to resourceVersion: String, isRecorded: Bool) {
        entries.withLock { entries in
            guard let known = entries[ref]?.proof, known.uid == uid else { return }
            entries[ref]?.proof = VerifiedData(
                uid: known.uid, resourceVersion: resourceVersion, envelopeDigest: known.envelopeDigest,
                dataDigest: known.dataDigest)
            if isRecorded { entries[ref]?.recorded = .now }
        }
    }

    /// How long the status of `ref` is not to be written for a new proof alone.
    func delayBeforeStatusUpdate(_ ref: ObjectRef, now: ContinuousClock.Instant = .now) -> Duration? {
        guard let recorded = entries.withLock({ $0[ref]?.recorded }) else { return nil }
        let pause = Self.statusUpdateInterval - recorded.duration(to: now)
        return pause > .zero ? pause : nil
    }

    func forget(_ ref: ObjectRef) {
        entries.withLock { $0[ref] = nil }
    }
}
