import KubeClient
import System

/// The state of each WrappedSecret besides its cache entry. `forget` is the one place where that state
/// ends. Safe to use from any thread.
final class ObjectTracker: Sendable {
    /// Two maps, because most objects never fail, and a failure record is ten times as large as a sync record.
    private struct Records {
        /// Packed sync records by the hash of the object's name. What a record verifies has the uid that it is about, so that
        /// two objects with one hash, however unlikely, would only have to be verified again.
        var synced: [Int: [UInt8]] = [:]
        var failing = FailureRecords()
        var cleanups: [ObjectRef: CleanupPosition] = [:]
    }

    /// How far the Secrets under earlier names have been examined for one generation of an object.
    private struct CleanupPosition {
        let uid: String?
        let generation: Int64?
        let name: String
    }

    let writes = WriteExpectations()
    /// Holds a key of this process and no state of an object.
    let digester = DataDigester()
    let rejectedEnvelopes = RejectedEnvelopes()
    let blockedObjects = BlockedObjects()
    /// Merge targets that do not exist, by their own names; `forget` leaves them alone.
    let missingTargets = MissingTargetCache()
    let pendingCiphertexts = PendingCiphertexts()
    let plaintextCache = PlaintextRetryCache()
    private let records = Locked(Records())

    /// Returns the sync record of an object, or an empty one.
    func syncRecord(_ ref: ObjectRef) -> SyncRecord {
        SyncRecord(packed: records.withLock { $0.synced[ref.hashValue] })
    }

    /// Changes the sync record of an object. An empty record is not kept.
    func withSyncRecord<Result: Sendable>(_ ref: ObjectRef, _ body: (inout SyncRecord) -> Result) -> Result {
        records.withLock { records in
            var record = SyncRecord(packed: records.synced[ref.hashValue])
            defer { records.synced[ref.hashValue] = record.packed() }
            return body(&record)
        }
    }

    /// Reads or changes the record of an object that failed, or whose Secret or status drifted.
    func withFailureRecord<Result: Sendable>(_ ref: ObjectRef, _ body: (inout FailureRecord) -> Result)
        -> Result
    {
        records.withLock { records in
            records.failing.change(ref, body)
        }
    }

    /// Returns the name of the last Secret that was examined for what this generation of the object left in it, or nil before
    /// the first one and after all of them.
    func cleanupPosition(of object: ObjectMeta) -> String? {
        guard let position = records.withLock({ $0.cleanups[object.ref] }), position.uid == object.uid,
            position.generation == object.generation
        else { return nil }
        return position.name
    }

    func setCleanupPosition(_ name: String?, of object: ObjectMeta) {
        let position = name.map {
            CleanupPosition(uid: object.uid, generation: object.generation, name: $0)
        }
        records.withLock { $0.cleanups[object.ref] = position }
    }

    /// Forgets an object that no longer exists.
    func forget(_ ref: ObjectRef) {
        records.withLock { records in
            records.synced[ref.hashValue] = nil
            records.failing.forget(ref)
            records.cleanups[ref] = nil
        }
        writes.forget(object: ref)
        rejectedEnvelopes.remove(ref)
        blockedObjects.remove(ref)
        pendingCiphertexts.remove(ref)
        plaintextCache.remove(ref)
    }
}
