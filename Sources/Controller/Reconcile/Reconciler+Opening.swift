import Envelope
import KubeClient
import Logging
import Resources
import System

/// How an envelope is opened: memory first, then the ciphertexts, then the KMS.
extension Reconciler {
    /// The values of the envelope. What an earlier try has opened and not written is not opened again.
    func unwrap(
        _ blueprint: DesiredSecret, _ object: WrappedSecret
    ) async throws(ReconcileFailure) -> OpenedEnvelope {
        let ref = object.metadata.ref
        guard memory.reserve(Self.requiredMemory(blueprint), for: ref) else { throw .waitingForMemory }
        if let held = tracker.plaintextCache.envelope(of: ref, digest: blueprint.envelope.digest) {
            return held
        }
        let sealed = try await sealedEnvelope(blueprint, object)
        if let wait = budget.acquireToken(ref) {
            if wait.isFirstInNamespace {
                logger.warning(
                    "namespace has spent its unwraps: its objects wait for their turn (--kms-namespace-rate)",
                    metadata: ["namespace": "\(blueprint.namespace)"])
            }
            throw .throttled(until: wait.until)
        }
        let audit = UnwrapAudit(object.metadata, sealed, logger)
        do {
            let envelope = try await sealed.open(with: keys, followedBy: expectedFollowUps())
            audit.logSuccess(envelope)
            tracker.verifiedEnvelopes.insert(
                object.metadata, digest: blueprint.envelope.digest, .init(envelope))
            tracker.plaintextCache.insert(envelope, digest: blueprint.envelope.digest, for: ref)
            tracker.rejectedEnvelopes.remove(ref)
            for other in tracker.rejectedEnvelopes.takeDueRetries() { retryRejected(other) }
            return envelope
        } catch {
            audit.logFailure(error)
            if error.refundsUnwrapToken { budget.refundToken(ref) }
            throw ReconcileFailure(opening: error)
        }
    }

    /// Bytes that a reconcile holds at most at the same time: the base64 that was read, the ciphertext, the plaintext, and
    /// the request body while it grows.
    static func requiredMemory(_ blueprint: DesiredSecret) -> Int {
        let (need, overflow) = blueprint.envelope.plaintextByteCount.multipliedReportingOverflow(by: 7)
        return overflow ? .max / 2 : need + (32 << 10)
    }

    /// A refused envelope is tried again, because the KMS may have been at fault.
    func retryRejected(_ ref: ObjectRef) {
        tracker.terminalFailures.forget(ref)
        enqueue(ref)
    }

    /// The envelope with its ciphertexts: those of the watch, if they are still held, else read from the API server.
    private func sealedEnvelope(
        _ blueprint: DesiredSecret, _ object: WrappedSecret
    ) async throws(ReconcileFailure) -> Envelope {
        let whole: WrappedSecret
        if object.spec.envelope.droppedCiphertexts == nil {
            whole = object
        } else if let data = tracker.pendingCiphertexts.data(
            of: object.metadata.ref, digest: blueprint.envelope.digest)
        {
            var held = object
            held.spec.envelope.droppedCiphertexts = nil
            held.spec.envelope.data = data
            whole = held
        } else {
            whole = try await readSealed(blueprint, object)
        }
        do {
            return try whole.sealedEnvelope()
        } catch {
            throw .notReady(error.reason, message: error.message)
        }
    }

    /// Reads an object for its ciphertexts. Its other fields may be larger than was reserved for it.
    private func readSealed(
        _ blueprint: DesiredSecret, _ object: WrappedSecret
    ) async throws(ReconcileFailure) -> WrappedSecret {
        do throws(ReconcileFailure) {
            return try await readAgain(object, maximumBytes: Self.requiredMemory(blueprint))
        } catch .transient(let error) where error.code == .responseTooLarge {
            guard memory.reserve(Self.largeObject, for: object.metadata.ref) else { throw .waitingForMemory }
            return try await readAgain(object, maximumBytes: Self.largeObject)
        }
    }

    /// An object that the cache holds in part, without its ciphertexts.
    func readUnabridged(_ object: WrappedSecret) async throws(ReconcileFailure) -> WrappedSecret {
        guard memory.reserve(Self.largeObject, for: object.metadata.ref) else { throw .waitingForMemory }
        return try await readAgain(object, maximumBytes: Self.largeObject).droppingCiphertexts()
    }

    /// Bytes of an object whose size is not known: etcd stores 1.5 MiB, which JSON can make six times as long.
    private static let largeObject = 10 << 20

    private func readAgain(
        _ object: WrappedSecret, maximumBytes: Int
    ) async throws(ReconcileFailure) -> WrappedSecret {
        let ref = object.metadata.ref
        let current: WrappedSecret
        do {
            current = try await client.get(WrappedSecret.self, ref, maximumBytes: maximumBytes)
        } catch  where error.code == .notFound {
            throw .objectGone
        } catch {
            throw ReconcileFailure(accessing: error)
        }
        guard current.metadata.uid == object.metadata.uid,
            current.metadata.generation == object.metadata.generation
        else {
            // The watch has not shown this version yet; it will, and then the object is queued again.
            throw .transient(
                KubeError(
                    .conflict, activity: "reading WrappedSecret \(ref)",
                    message: "the object has changed since it was queued"))
        }
        return current
    }
}
