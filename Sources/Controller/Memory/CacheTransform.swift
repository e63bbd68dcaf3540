import Envelope
import KubeClient
import Resources
import System

/// Reduces objects before they enter a cache of tens of thousands: ciphertexts and fields that the controller never reads
/// are dropped, and large objects are abridged.
enum CacheTransform {
    /// Returns the object without its ciphertexts, and abridged if its other fields are large.
    static func transformed(_ item: Decoded<WrappedSecret>) -> Decoded<WrappedSecret> {
        switch item {
        case .object(var object):
            object.metadata = droppingUnreadMetadata(of: object.metadata)
            // Without a status the object appears unsynced, so that the controller writes a new one.
            if let status = object.status, CacheSize.of(status) > CacheSize.maximumBytes {
                object.status = nil
            }
            object = object.droppingCiphertexts()
            if CacheSize.of(object) > CacheSize.maximumBytes { object = object.abridged() }
            return .object(object)
        case .malformed(let metadata, let status, let problem):
            let isLarge = status.map { CacheSize.of($0) > CacheSize.maximumBytes } ?? false
            return .malformed(
                droppingUnreadMetadata(of: metadata), status: isLarge ? nil : status,
                problem: problem.truncated(toUTF8: 1024))
        }
    }

    static func transformed(_ secret: ObjectMeta) -> ObjectMeta {
        var secret = CacheSize.of(secret) > CacheSize.maximumBytes ? secret.abridged() : secret
        secret.creationTimestamp = nil
        return secret
    }

    /// Drops labels and annotations of a WrappedSecret except the sync annotation: they are not copied to its Secret.
    private static func droppingUnreadMetadata(of metadata: ObjectMeta) -> ObjectMeta {
        var metadata = metadata
        metadata.annotations = metadata.annotations.map { annotations in
            annotations.filter { $0.key == OwnershipMetadata.syncAnnotation }.mapValues {
                $0.truncated(toUTF8: 256)
            }
        }
        metadata.labels = nil
        metadata.ownerReferences = nil
        metadata.managedFields = nil
        metadata.creationTimestamp = nil
        return metadata
    }
}
