import Cryptography
import Envelope
import KubeClient
import Resources

/// Reads that a plan asks for before its next step can be decided.
extension Reconciler {
    func read(
        _ action: SyncAction, _ request: ReconcileRequest, _ input: inout SyncInput
    ) async throws(ReconcileFailure) {
        switch action {
        case .readSecret:
            input.current = try await getIfExists(request.secretRef)
            input.isCurrentRead = true
        case .findMergeTarget:
            input.current = try await findMergeTarget(request)
            input.isCurrentRead = true
        case .compareData(let verified):
            try await compareData(verified, request, &input)
        case .verifyCacheIsCurrent:
            try await verifyCacheIsCurrent(request.object.metadata)
            input.isCacheVerified = true
        case .create, .update, .updateMetadata, .verifyByWriting, .recordVerification, .updateStatus, .inSync:
            break
        }
    }

    /// Returns the Secret to merge into. All objects that wait for the same one share a read, except one that requests
    /// a sync.
    private func findMergeTarget(_ request: ReconcileRequest) async throws(ReconcileFailure) -> ObjectMeta? {
        let target = request.secretRef
        guard
            request.object.hasPendingSync(request.previousStatus) || !tracker.missingTargets.contains(target)
        else { return nil }
        let found = try await getIfExists(target)
        if found == nil { tracker.missingTargets.insert(target) }
        return found
    }

    /// The API server stores 1.5 MiB of an object.
    private static let maximumSecretBytes = 4 << 20

    /// Reads the Secret with digests in place of its values, and compares it with what was verified.
    private func compareData(
        _ verified: VerifiedData, _ request: ReconcileRequest, _ input: inout SyncInput
    ) async throws(ReconcileFailure) {
        // Includes what an update after a difference needs. An object that reserved more later could wait forever.
        let bytes = max(Self.maximumSecretBytes, Self.requiredMemory(request.desired))
        try reserveMemory(bytes, for: request.object)
        let contents: SecretContents
        do {
            let json = try await client.getJSON(.secrets, request.secretRef, limit: Self.maximumSecretBytes)
            let activity = "reading Secret \(request.secretRef)"
            contents = try SecretContents(json, tracker.digester, activity: activity)
            try contents.metadata.checkIdentity(request.secretRef, activity: activity)
        } catch  where error.code == .notFound {
            input.current = nil
            input.isCurrentRead = true
            return
        } catch  where error.code == .responseTooLarge {
            input.comparison = .tooLarge
            return
        } catch {
            throw ReconcileFailure(accessing: error)
        }
        input.current = contents.metadata
        guard contents.matches(verified, request.desired, tracker.digester) else {
            input.comparison = .different
            return
        }
        input.comparison = .equal
        input.verifiedData = tracker.withSyncRecord(request.ref) { record in
            record.dataUnchanged(
                uid: verified.uid, resourceVersion: contents.metadata.resourceVersion ?? "", isRecorded: false
            )
            return record.data
        }
    }

    /// Checks that the API server knows no later generation of the object, and no deletion of it. A Secret from a later generation is
    /// then left from before etcd was restored to an older state. A write that overtakes this read changes the version of
    /// the Secret, and our patch fails.
    func verifyCacheIsCurrent(_ object: ObjectMeta) async throws(ReconcileFailure) {
        let newest: ObjectMeta
        do {
            newest = try await client.getMetadata(WrappedSecret.resource, object.ref)
        } catch  where error.code == .notFound {
            throw .objectGone
        } catch {
            throw ReconcileFailure(accessing: error)
        }
        guard newest.uid == object.uid, newest.generation == object.generation,
            newest.deletionTimestamp == object.deletionTimestamp
        else {
            throw .transient(
                KubeError(
                    .conflict, activity: "reconciling \(object.ref)",
                    message: "the cache does not have the newest generation yet"))
        }
    }

    /// Returns the metadata of a Secret, with or without our label, or nil if none exists.
    func getIfExists(_ ref: ObjectRef) async throws(ReconcileFailure) -> ObjectMeta? {
        do {
            return try await client.get(SecretMetadata.self, ref).metadata
        } catch  where error.code == .notFound {
            return nil
        } catch {
            throw ReconcileFailure(accessing: error)
        }
    }
}
