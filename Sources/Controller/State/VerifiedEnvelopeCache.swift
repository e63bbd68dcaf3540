import Envelope
import KubeClient
import Resources
import System

/// Which envelopes were opened by this process, so that a change of the template alone needs no key. A digest of the
/// ciphertexts is kept, nothing of what is in them. Safe to use from any thread.
final class VerifiedEnvelopeCache: Sendable {
    /// Which recipient served, and which version of its key.
    struct KeyVersion: Sendable, Equatable {
        let id: String?
        let version: String?

        init(id: String?, version: String?) {
            self.id = id
            self.version = version
        }

        init(_ opened: OpenedEnvelope) { self.init(id: opened.keyID, version: opened.keyVersion) }
    }

    private struct Identity: Equatable {
        let uid: String?
        let digest: [UInt8]
    }

    private let opened = Locked<[ObjectRef: (identity: Identity, key: KeyVersion)]>([:])

    /// - Parameter digest: `EnvelopeSummary.digest`.
    func insert(_ object: ObjectMeta, digest: [UInt8], _ key: KeyVersion) {
        opened.withLock { $0[object.ref] = (Identity(uid: object.uid, digest: digest), key) }
    }

    /// Returns nil if this very envelope was not opened.
    func keyVersion(of object: ObjectMeta, digest: [UInt8]) -> KeyVersion? {
        guard let known = opened.withLock({ $0[object.ref] }),
            known.identity == Identity(uid: object.uid, digest: digest)
        else { return nil }
        return known.key
    }

    func forget(_ ref: ObjectRef) {
        opened.withLock { $0[ref] = nil }
    }
}
