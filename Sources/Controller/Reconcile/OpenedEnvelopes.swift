import Envelope
import KubeClient
import Primitives
import Resources

/// Which envelopes were opened by this process, so that a change of the template alone needs no key. A digest of the
/// ciphertexts is kept, nothing of what is in them. Safe to use from any thread.
final class OpenedEnvelopes: Sendable {
    /// Which recipient served, and which version of its key.
    struct Key: Sendable, Equatable {
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

    private let opened = Locked<[ObjectRef: (identity: Identity, key: Key)]>([:])

    func insert(_ object: WrappedSecret, _ key: Key) {
        guard let identity = Self.identity(object) else { return }
        opened.withLock { $0[object.metadata.ref] = (identity, key) }
    }

    func contains(_ object: WrappedSecret) -> Bool { key(of: object) != nil }

    /// nil: this very envelope was not opened.
    func key(of object: WrappedSecret) -> Key? {
        guard let known = opened.withLock({ $0[object.metadata.ref] }),
            known.identity == Self.identity(object)
        else { return nil }
        return known.key
    }

    func forget(_ ref: ObjectRef) {
        opened.withLock { $0[ref] = nil }
    }

    private static func identity(_ object: WrappedSecret) -> Identity? {
        let fields = object.spec.envelope
        // Lengths go before the texts, so that no two envelopes read the same.
        var text: [UInt8] = []
        func add(_ part: String) {
            text += Array("\(part.utf8.count):".utf8) + Array(part.utf8)
        }
        for part in [fields.format, fields.scope, object.secretName, fields.mac] { add(part) }
        for recipient in fields.recipients {
            add(recipient.keyID)
            add(recipient.wrappedKey)
        }
        add("")
        for (name, value) in fields.data.sorted(by: { $0.key < $1.key }) {
            add(name)
            add(value)
        }
        return (try? sha256(text)).map { Identity(uid: object.metadata.uid, digest: $0) }
    }
}
