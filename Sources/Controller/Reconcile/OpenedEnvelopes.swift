import Envelope
import KubeClient
import Primitives
import Resources

/// Which envelopes were opened by this process, so that a change of the template alone needs no key. A digest of the
/// ciphertexts is kept, nothing of what is in them. Safe to use from any thread.
final class OpenedEnvelopes: Sendable {
    private struct Opened: Equatable {
        let uid: String?
        let digest: [UInt8]
    }

    private let opened = Locked<[ObjectRef: Opened]>([:])

    func insert(_ object: WrappedSecret) {
        guard let entry = Self.entry(object) else { return }
        opened.withLock { $0[object.metadata.ref] = entry }
    }

    func contains(_ object: WrappedSecret) -> Bool {
        guard let known = opened.withLock({ $0[object.metadata.ref] }) else { return false }
        return known == Self.entry(object)
    }

    func forget(_ ref: ObjectRef) {
        opened.withLock { $0[ref] = nil }
    }

    private static func entry(_ object: WrappedSecret) -> Opened? {
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
        return (try? sha256(text)).map { Opened(uid: object.metadata.uid, digest: $0) }
    }
}
