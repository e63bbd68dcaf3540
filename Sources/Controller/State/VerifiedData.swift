import Cryptography
import Envelope
import KubeClient
import Resources
import System

/// The data of a Secret that this process wrote, or compared with what it wrote.
struct VerifiedData: Sendable, Equatable {
    /// The uid of the Secret.
    let uid: String
    /// The last version of the Secret that is known to hold the data.
    let resourceVersion: String
    /// `DesiredSecret.sourceDigest` of the envelope and the templates that the data comes from.
    let sourceDigest: [UInt8]
    /// `DataDigester.digest` of the data.
    let dataDigest: [UInt8]
    /// True if the WrappedSecret wrote the whole Secret, and not only entries of a merge target. Only then does the write
    /// prove ownership.
    let isWholeSecret: Bool
}

/// The verified state of a synced Secret's data, which is known without reading it.
///
/// A resourceVersion that has not changed since the data was verified proves that the data has not changed: every write
/// changes it, and only the API server sets it. `managedFields` prove nothing, because a writer of the Secret can set
/// them too. They decide only what to do first when nothing else is known.
enum DataEvidence: Sendable, Equatable {
    case unchanged
    /// The Secret has changed since its data was verified.
    case versionMoved(VerifiedData)
    /// The Secret has changed, this process has no digest of its data, and `managedFields` show no change of it.
    case unknown
    /// As `unknown`, and `managedFields` show that another manager has set an entry.
    case likelyChanged

    /// - Parameters:
    ///   - state: the last successful write, from the status.
    ///   - lastSync: the time of that write, by the API server's clock.
    init(
        _ secret: ObjectMeta, _ state: WrappedSecretStatus.SecretState, _ desired: DesiredSecret,
        _ verified: VerifiedData?, lastSync: String?
    ) {
        if let verified, verified.uid == secret.uid, verified.sourceDigest == desired.sourceDigest {
            self = verified.resourceVersion == secret.resourceVersion ? .unchanged : .versionMoved(verified)
        } else if state.resourceVersion == secret.resourceVersion {
            self = .unchanged
        } else {
            self =
                FieldOwnership(of: desired).appearsUnchanged(secret, since: lastSync)
                ? .unknown : .likelyChanged
        }
    }
}

/// Computes keyed digests of the values in Secrets. A Secret whose resourceVersion changed is read and compared with
/// its digest, which needs no KMS. The key is random for each process, so that guesses of a value cannot be tested
/// against a digest from a memory dump. Safe to use from any thread.
final class DataDigester: Sendable {
    private let key = Locked<SharedSecret?>(nil)

    /// Returns the first 16 bytes of HMAC-SHA-256 over the names and values of the entries, in byte order of their
    /// names.
    func digest(_ entries: [SecretEntry]) throws(CryptoError) -> [UInt8] {
        var digests: [(name: String, value: [UInt8])] = []
        for entry in entries { digests.append((entry.name, try digest(ofValue: entry.value))) }
        return try digest(digests)
    }

    func digest(ofValue value: SharedSecret) throws(CryptoError) -> [UInt8] {
        let key = try processKey()
        let digest = try value.bytes.withUnsafeBytes { bytes throws(CryptoError) in
            try hmacSHA256(bytes, key: key.bytes)
        }
        return digest.withUnsafeBytes { Array($0) }
    }

    /// Returns the digest of a Secret whose values have these digests.
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
}
