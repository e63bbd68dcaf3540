import Envelope
import KubeClient
import Resources
import System

/// Packs the objects of a cache into a few hundred bytes each, and unpacks them when a reconcile needs them. What most
/// objects have in common (namespace, key ids, labels, managed fields) is kept once for all. Thread-safe.
final class CacheCodec: Sendable {
    private struct State {
        /// The writer's buffer is reused for the next object.
        var writer = PackedWriter()
        var pools: CachePools

        mutating func pack(_ write: (inout PackedWriter, inout CachePools) -> Void) -> [UInt8] {
            write(&writer, &pools)
            return writer.finish()
        }
    }

    /// One for each kind of object: two watches pack at the same time.
    private let objects: Locked<State>
    private let secrets: Locked<State>
    private let policy: OperatorPolicy

    /// - Parameters:
    ///   - pools: The empty pools of each kind of object, whose limits bound the memory of shared values.
    ///   - policy: Decides with which Secret an object is in sync.
    init(pools: CachePools = CachePools(), policy: OperatorPolicy = OperatorPolicy()) {
        self.policy = policy
        (objects, secrets) = (Locked(State(pools: pools)), Locked(State(pools: pools)))
    }

    /// Returns nil for an object that is not packed: one that is malformed or abridged, or whose envelope is invalid.
    func pack(_ item: Decoded<WrappedSecret>) -> [UInt8]? {
        guard case .object(let object) = item else { return nil }
        let envelope = object.spec.envelope
        guard envelope.data.isEmpty, let dropped = envelope.droppedCiphertexts, dropped.problem == nil else {
            return nil
        }
        let fingerprint = SyncFingerprint(object, policy)
        let bytes = objects.withLock { state in
            state.pack { writer, pools in
                SyncFingerprint.write(fingerprint, to: &writer)
                Self.write(object.metadata, to: &writer, &pools)
                writer.flag(object.isAbridged)
                Self.write(object.spec, dropped, to: &writer, &pools)
                Self.write(object.status, to: &writer, &pools)
            }
        }
        assert(unpackedObject(bytes) == object, "a field is missing in the packed form")
        return bytes
    }

    func unpackObject(_ bytes: [UInt8]) -> Decoded<WrappedSecret> { .object(unpackedObject(bytes)) }

    private func unpackedObject(_ bytes: [UInt8]) -> WrappedSecret {
        let values = objects.withLock { $0.pools.values }
        return bytes.withUnsafeBytes { bytes in
            var reader = Self.reader(bytes, values)
            let metadata = Self.metadata(&reader, values)
            let isAbridged = reader.flag() ?? false
            let spec = Self.spec(&reader, values)
            var object = WrappedSecret(metadata: metadata, spec: spec, status: Self.status(&reader))
            object.isAbridged = isAbridged
            return object
        }
    }

    func pack(_ secret: ObjectMeta) -> [UInt8] {
        let fingerprint = SyncFingerprint(secret)
        let bytes = secrets.withLock { state in
            state.pack { writer, pools in
                SyncFingerprint.write(fingerprint, to: &writer)
                Self.write(secret, to: &writer, &pools)
            }
        }
        assert(unpackMetadata(bytes) == secret, "a field is missing in the packed form")
        return bytes
    }

    func unpackMetadata(_ bytes: [UInt8]) -> ObjectMeta {
        let values = secrets.withLock { $0.pools.values }
        return bytes.withUnsafeBytes { bytes in
            var reader = Self.reader(bytes, values)
            return Self.metadata(&reader, values)
        }
    }

    /// Returns the uid of a packed object without unpacking the rest.
    func uid(packed bytes: [UInt8]) -> String? {
        let values = objects.withLock { $0.pools.values }
        return bytes.withUnsafeBytes { bytes in
            var reader = Self.reader(bytes, values)
            return Self.uid(&reader)
        }
    }

    /// Returns a reader of what follows the fingerprint.
    private static func reader(_ bytes: UnsafeRawBufferPointer, _ values: CachePools.Values) -> PackedReader {
        let fields = bytes.dropFirst(SyncFingerprint.byteCount)
        return PackedReader(UnsafeRawBufferPointer(rebasing: fields), texts: values.texts)
    }
}
