import Cryptography
import Envelope
import KubeClient
import System

/// Decrypted envelopes whose Secret could not be written yet, so that a retry needs no KMS request. The plaintext is in memory
/// that is zeroed when it is freed, limited in size and age, and kept only while an object is retried. Thread-safe.
final class PlaintextRetryCache: Sendable {
    fileprivate struct Entry {
        let digest: [UInt8]
        let envelope: OpenedEnvelope
        let bytes: Int
        let since: ContinuousClock.Instant
        /// The uid of the Secret that was deleted to be recreated, while no new Secret exists.
        var deletedUID: String?

        var isPinned: Bool { deletedUID != nil }

        var unpinned: Entry {
            Entry(digest: digest, envelope: envelope, bytes: bytes, since: since, deletedUID: nil)
        }
    }

    fileprivate struct State {
        var entries: [ObjectRef: Entry] = [:]
        /// The bytes of the entries that are not pinned.
        var bytes = 0
        /// The pinned bytes of each namespace.
        var pinnedBytes: [String: Int] = [:]
        /// No entry expires before this time.
        var nextExpiry: ContinuousClock.Instant?
    }

    /// The plaintext that may be pinned, in bytes. A Secret is not deleted before there is room to pin its values.
    static let maximumPinnedBytes = 16 << 20
    /// The limit for one namespace, whose new Secrets may be refused for long, as by a quota.
    static let maximumPinnedBytesPerNamespace = 2 << 20
    /// A later retry unwraps the data key again.
    static let maximumAge = Duration.seconds(600)

    private let limit: Int
    private let state = Locked(State())

    /// - Parameter limit: bytes of plaintext; envelopes beyond it are not kept, unless they are pinned.
    init(limit: Int = 8 << 20) {
        self.limit = limit
    }

    /// Keeps `envelope` if there is room.
    ///
    /// - Parameter digest: the digest of the ciphertexts that it was decrypted from.
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
            state.expectExpiry(of: now)
        }
    }

    /// Returns true if there is room to pin `envelope`. The caller checks it before it deletes a Secret to recreate it.
    func hasRoomToPin(_ envelope: OpenedEnvelope, for ref: ObjectRef) -> Bool {
        let bytes = envelope.byteCount
        return state.withLock { state in
            state.pinnedBytes.values.reduce(bytes, +) <= Self.maximumPinnedBytes
                && state.pinnedBytes[ref.namespace, default: 0] + bytes <= Self.maximumPinnedBytesPerNamespace
        }
    }

    /// Keeps `envelope` without an age limit, because its Secret was deleted: without the values, the Secret would stay
    /// missing for as long as the KMS is unavailable.
    ///
    /// - Parameter deleted: the uid of the deleted Secret.
    func pin(_ envelope: OpenedEnvelope, digest: [UInt8], for ref: ObjectRef, deleted: String) {
        state.withLock { state in
            state.remove(ref)
            state.pinnedBytes[ref.namespace, default: 0] += envelope.byteCount
            state.entries[ref] = Entry(
                digest: digest, envelope: envelope, bytes: envelope.byteCount, since: .now,
                deletedUID: deleted)
        }
    }

    /// Removes the pin, because `secret` exists and the values here are not the only copy any more. A stale cache still contains
    /// the deleted Secret, and does not remove the pin unless that Secret is terminating: a finalizer may keep it for ever.
    func unpin(_ ref: ObjectRef, _ secret: ObjectMeta) {
        state.withLock { state in
            guard let entry = state.entries[ref], let deleted = entry.deletedUID,
                secret.uid != deleted || secret.deletionTimestamp != nil
            else { return }
            state.remove(ref)
            guard entry.bytes <= limit - state.bytes else { return }
            state.bytes += entry.bytes
            state.entries[ref] = entry.unpinned
            state.expectExpiry(of: entry.since)
        }
    }

    /// Returns nil if there is no envelope for these ciphertexts.
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
        guard entry.isPinned else {
            bytes -= entry.bytes
            return
        }
        let left = pinnedBytes[ref.namespace, default: 0] - entry.bytes
        pinnedBytes[ref.namespace] = left > 0 ? left : nil
    }

    fileprivate mutating func expectExpiry(of since: ContinuousClock.Instant) {
        let expiry = since + PlaintextRetryCache.maximumAge
        nextExpiry = nextExpiry.map { min($0, expiry) } ?? expiry
    }

    /// Looks at the entries only when one of them may have expired: an outage can leave thousands.
    fileprivate mutating func dropExpired(_ now: ContinuousClock.Instant) {
        guard let nextExpiry, now > nextExpiry else { return }
        self.nextExpiry = nil
        for (ref, entry) in entries {
            if entry.isExpired(now) {
                remove(ref)
            } else if !entry.isPinned {
                expectExpiry(of: entry.since)
            }
        }
    }
}
