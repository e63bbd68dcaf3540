import Cryptography
import Envelope
import KubeClient
import System

/// Opened envelopes whose Secret could not be written yet, so that a retry asks the KMS for nothing. They hold plaintext in
/// zeroed memory: few bytes, for a limited time, and only while an object is being retried. Safe to use from any thread.
final class PlaintextRetryCache: Sendable {
    fileprivate struct Entry {
        let digest: [UInt8]
        let envelope: OpenedEnvelope
        let bytes: Int
        let since: ContinuousClock.Instant
        /// The uid of the Secret that was deleted to be recreated: none exists while this is held.
        var deleted: String?

        var isPinned: Bool { deleted != nil }
    }

    fileprivate struct State {
        var entries: [ObjectRef: Entry] = [:]
        var bytes = 0
        var pinnedBytes = 0
    }

    /// Bytes of plaintext that may be pinned: a Secret is not deleted before there is room.
    static let maximumPinnedBytes = 16 << 20
    /// A retry that comes later asks the KMS again.
    static let maximumAge = Duration.seconds(600)

    private let limit: Int
    private let state = Locked(State())

    /// - Parameter limit: in bytes of plaintext; envelopes beyond it are not held, unless they are pinned.
    init(limit: Int = 8 << 20) {
        self.limit = limit
    }

    /// Holds `envelope`, opened from ciphertexts with this digest, if there is room.
    func insert(
        _ envelope: OpenedEnvelope, digest: [UInt8], for ref: ObjectRef, now: ContinuousClock.Instant = .now
    ) {
        let bytes = envelope.byteCount
        state.withLock { state in
            state.dropExpired(now)
            state.remove(ref)
            guard bytes <= limit - state.bytes else { return }
            state.bytes += bytes
            state.entries[ref] = Entry(digest: digest, envelope: envelope, bytes: bytes, since: now)
        }
    }

    /// Whether there is room to pin `envelope`. To be asked before a Secret is deleted in order to be recreated.
    func hasRoomToPin(_ envelope: OpenedEnvelope) -> Bool {
        state.withLock { $0.pinnedBytes <= Self.maximumPinnedBytes - envelope.byteCount }
    }

    /// Holds `envelope` until it is dropped, because no Secret exists any more: without it, an outage of the KMS would
    /// leave none.
    ///
    /// - Parameter deleted: the uid of the Secret that was deleted.
    func pin(_ envelope: OpenedEnvelope, digest: [UInt8], for ref: ObjectRef, deleted: String) {
        state.withLock { state in
            state.remove(ref)
            state.bytes += envelope.byteCount
            state.pinnedBytes += envelope.byteCount
            state.entries[ref] = Entry(
                digest: digest, envelope: envelope, bytes: envelope.byteCount, since: .now, deleted: deleted)
        }
    }

    /// The cache shows this Secret, so that what is held for it is not the only copy of its values. A cache that is behind
    /// shows the deleted one as it was; one that a finalizer keeps is terminating.
    func unpin(_ ref: ObjectRef, _ secret: ObjectMeta) {
        state.withLock { state in
            guard let entry = state.entries[ref], let deleted = entry.deleted,
                secret.uid != deleted || secret.deletionTimestamp != nil
            else { return }
            state.pinnedBytes -= entry.bytes
            state.entries[ref]?.deleted = nil
        }
    }

    /// Returns nil if nothing is held for these ciphertexts.
    func envelope(
        of ref: ObjectRef, digest: [UInt8], now: ContinuousClock.Instant = .now
    ) -> OpenedEnvelope? {
        state.withLock { state in
            guard let entry = state.entries[ref], entry.digest == digest, !entry.isExpired(now) else {
                state.remove(ref)
                return nil
            }
            return entry.envelope
        }
    }

    func remove(_ ref: ObjectRef) {
        state.withLock { state in
            state.remove(ref)
            state.dropExpired(.now)
        }
    }
}

extension OpenedEnvelope {
    fileprivate var byteCount: Int { entries.reduce(0) { $0 + $1.value.count } }
}

extension PlaintextRetryCache.Entry {
    fileprivate func isExpired(_ now: ContinuousClock.Instant) -> Bool {
        !isPinned && since.duration(to: now) > PlaintextRetryCache.maximumAge
    }
}

extension PlaintextRetryCache.State {
    fileprivate mutating func remove(_ ref: ObjectRef) {
        guard let entry = entries.removeValue(forKey: ref) else { return }
        bytes -= entry.bytes
        if entry.isPinned { pinnedBytes -= entry.bytes }
    }

    fileprivate mutating func dropExpired(_ now: ContinuousClock.Instant) {
        for (ref, entry) in entries where entry.isExpired(now) { remove(ref) }
    }
}
