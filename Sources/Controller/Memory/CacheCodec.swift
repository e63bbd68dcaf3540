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

    private let state: Locked<State>

    /// - Parameter pools: The empty pools, whose limits bound the memory of shared values.
    init(pools: CachePools = CachePools()) {
        state = Locked(State(pools: pools))
    }

    /// Returns nil for an object that is not packed: one that is malformed or abridged, or whose envelope is invalid.
    func pack(_ item: Decoded<WrappedSecret>) -> [UInt8]? {
        guard case .object(let object) = item else { return nil }
        let envelope = object.spec.envelope
        guard envelope.data.isEmpty, let dropped = envelope.droppedCiphertexts, dropped.problem == nil else {
            return nil
        }
        let bytes = state.withLock { state in
            state.pack { writer, pools in
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
        let values = state.withLock { $0.pools.values }
        return bytes.withUnsafeBytes { bytes in
            var reader = PackedReader(bytes, texts: values.texts)
            let metadata = Self.metadata(&reader, values)
            let isAbridged = reader.flag() ?? false
            let spec = Self.spec(&reader, values)
            var object = WrappedSecret(metadata: metadata, spec: spec, status: Self.status(&reader))
            object.isAbridged = isAbridged
            return object
        }
    }

    func pack(_ secret: ObjectMeta) -> [UInt8] {
        let bytes = state.withLock { state in
            state.pack { writer, pools in Self.write(secret, to: &writer, &pools) }
        }
        assert(unpackMetadata(bytes) == secret, "a field is missing in the packed form")
        return bytes
    }

    func unpackMetadata(_ bytes: [UInt8]) -> ObjectMeta {
        let values = state.withLock { $0.pools.values }
        return bytes.withUnsafeBytes { bytes in
            var reader = PackedReader(bytes, texts: values.texts)
            return Self.metadata(&reader, values)
        }
    }
}
