import Envelope
import KubeClient
import Resources
import System

/// What has to be read before a plan is final.
extension Reconciler {
    /// Reads what `plan` leaves open, and decides again with it. Each kind of read happens once at most.
    func resolve(
        _ plan: SyncPlan, _ object: WrappedSecret, _ previous: WrappedSecretStatus?
    ) async throws(ReconcileFailure) -> SyncPlan {
        var plan = plan
        var hasLooked = false
        var hasCompared = false
        while true {
            switch plan {
            case .create(let desired) where !hasLooked && previous?.condition(.ready) != nil:
                // The watch sees only what carries our label. Of an object that is new nothing is known, and a Secret
                // in its way is found by the attempt; for any other a look costs less than a key.
                hasLooked = true
                guard let found = try await getIfExists(desired) else { return plan }
                plan = decide(object, found, previous)
            case .findMergeTarget(let desired):
                guard !hasLooked, let found = try await seek(desired, isAsked: object.asksForSync(previous))
                else {
                    return .block(.secretMissing, message: Self.missing(desired))
                }
                hasLooked = true
                plan = decide(object, found, previous)
            case .compareData(let desired, let current, let proof):
                guard !hasCompared else { return .update(desired, current: current) }
                hasCompared = true
                let contents: SecretContents
                switch try await read(current, desired, object) {
                case .contents(let read): contents = read
                case .tooLarge: return .verifyByWriting(desired, current: current)
                case .gone:
                    hasLooked = true
                    plan = desired.mergeIdentity == nil ? .create(desired) : .findMergeTarget(desired)
                    continue
                }
                guard contents.matches(proof, desired, tracker.verifiedData) else {
                    return .update(desired, current: contents.metadata)
                }
                tracker.verifiedData.advance(
                    object.metadata.ref, uid: proof.uid, to: contents.metadata.resourceVersion ?? "",
                    isRecorded: false)
                plan = decide(object, contents.metadata, previous)
            case .verifyCacheIsCurrent(let desired, let current):
                try await verifyCacheIsCurrent(object.metadata)
                return .update(desired, current: current)
            default:
                return plan
            }
        }
    }

    private static func missing(_ desired: DesiredSecret) -> String {
        "Secret \(desired.name) does not exist; creationPolicy Merge adds entries to a Secret that another writer creates "
            + "and annotates \(OwnershipMetadata.allowAnnotation)=merge"
    }

    /// The Secret to merge into; nil if there is none. All that wait for the same one share a look, but for an object that
    /// asks for one.
    private func seek(_ desired: DesiredSecret, isAsked: Bool) async throws(ReconcileFailure) -> ObjectMeta? {
        let target = ObjectRef(namespace: desired.namespace, name: desired.name)
        guard isAsked || !tracker.missingTargets.contains(target) else { return nil }
        let found = try await getIfExists(desired)
        if found == nil { tracker.missingTargets.insert(target) }
        return found
    }

    private enum Reading {
        case contents(SecretContents)
        /// Its metadata is larger than anything that a Secret of ours has.
        case tooLarge
        case gone
    }

    /// Bytes of a Secret's JSON that are read in order to compare it. The API server stores 1.5 MiB of an object.
    private static let longestSecret = 4 << 20

    /// Reads the Secret, with digests in place of its values.
    private func read(
        _ secret: ObjectMeta, _ desired: DesiredSecret, _ object: WrappedSecret
    ) async throws(ReconcileFailure) -> Reading {
        // Enough for what follows a difference, too: an object that asked for more later could wait for ever.
        let need = max(Self.longestSecret, Self.requiredMemory(desired))
        guard memory.reserve(need, for: object.metadata.ref) else { throw .waitingForMemory }
        do {
            let json = try await client.getJSON(.secrets, secret.ref, limit: Self.longestSecret)
            return .contents(
                try SecretContents(json, tracker.verifiedData, activity: "reading Secret \(secret.ref)"))
        } catch  where error.code == .notFound {
            return .gone
        } catch  where error.code == .responseTooLarge {
            return .tooLarge
        } catch {
            throw ReconcileFailure(accessing: error)
        }
    }
}

extension WrappedSecret {
    /// Whether a user has asked for a sync that was not carried out yet.
    fileprivate func asksForSync(_ previous: WrappedSecretStatus?) -> Bool {
        requestedSync != nil && requestedSync != previous?.lastHandledSync
    }
}
