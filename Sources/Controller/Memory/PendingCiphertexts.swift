import Envelope
import KubeClient
import Resources
import System

/// The ciphertexts of WrappedSecrets that wait to be synced, so that most need no second read. Ciphertexts beyond the limit are
/// not kept, and are read from the API server when the object is reconciled. Thread-safe.
final class PendingCiphertexts: Sendable {
    fileprivate struct Entry {
        let digest: [UInt8]
        let data: [String: String]
        let bytes: Int
    }

    fileprivate struct State {
        var entries: [ObjectRef: Entry] = [:]
        var bytes = 0
    }

    private let limit: Int
    private let state = Locked(State())

    /// - Parameter limit: bytes of base64.
    init(limit: Int = 32 << 20) {
        self.limit = limit
    }

    /// Keeps the ciphertexts of `object`, whose envelope has `digest`, if there is room.
    func insert(_ object: WrappedSecret, digest: [UInt8]) {
        let data = object.spec.envelope.data
        let bytes = data.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        state.withLock { state in
            state.remove(object.metadata.ref)
            guard bytes <= limit - state.bytes else { return }
            state.bytes += bytes
            state.entries[object.metadata.ref] = Entry(digest: digest, data: data, bytes: bytes)
        }
    }

    /// Returns nil if there are no ciphertexts with this digest.
    func data(of ref: ObjectRef, digest: [UInt8]) -> [String: String]? {
        state.withLock { $0.entries[ref].flatMap { $0.digest == digest ? $0.data : nil } }
    }

    /// Removes the ciphertexts of `ref`; with a digest, only if they have it.
    func remove(_ ref: ObjectRef, digest: [UInt8]? = nil) {
        state.withLock { state in
            if let digest, state.entries[ref]?.digest != digest { return }
            state.remove(ref)
        }
    }

    var byteCount: Int { state.withLock { $0.bytes } }
}

extension PendingCiphertexts.State {
    fileprivate mutating func remove(_ ref: ObjectRef) {
        if let entry = entries.removeValue(forKey: ref) { bytes -= entry.bytes }
    }
}
