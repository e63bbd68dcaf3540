import Envelope
import KubeClient
import Logging
import Primitives
import Resources

/// How an envelope is opened: memory first, then the ciphertexts, then the KMS.
extension Reconciler {
    /// The values of the envelope. What an earlier try has opened and not written is not opened again.
    func open(
        _ blueprint: Blueprint, _ object: WrappedSecret
    ) async throws(Failure) -> OpenedEnvelope {
        let ref = object.metadata.ref
        guard memory.reserve(Self.memoryNeed(blueprint), for: ref) else { throw .waitsForMemory }
        if let held = tracker.held.envelope(of: ref, digest: blueprint.envelope.digest) { return held }
        let sealed = try await sealedEnvelope(blueprint, object)
        if let wait = budget.take(ref) {
            if wait.isNews {
                logger.warning(
                    "namespace has spent its unwraps: its objects wait for their turn (--kms-namespace-rate)",
                    metadata: ["namespace": "\(blueprint.namespace)"])
            }
            throw .throttled(until: wait.until)
        }
        let audit = UnwrapAudit(object.metadata, sealed, logger)
        do {
            let envelope = try await sealed.open(with: keys, followedBy: crowd())
            audit.succeeded(envelope)
            tracker.opened.insert(object.metadata, digest: blueprint.envelope.digest, .init(envelope))
            tracker.held.hold(envelope, digest: blueprint.envelope.digest, for: ref)
            tracker.refused.remove(ref)
            for other in tracker.refused.othersAreServed() { retryRefused(other) }
            return envelope
        } catch {
            audit.failed(error)
            if error.spentNoUnwrap { budget.giveBack(ref) }
            throw Failure(opening: error)
        }
    }

    /// Bytes that a reconcile holds at most at the same time: the base64 that was read, the ciphertext, the plaintext, and
    /// the request body while it grows.
    static func memoryNeed(_ blueprint: Blueprint) -> Int {
        let (need, overflow) = blueprint.envelope.plaintextCount.multipliedReportingOverflow(by: 7)
        return overflow ? .max / 2 : need + (32 << 10)
    }

    /// A refused envelope is tried again, because the KMS may have been at fault.
    func retryRefused(_ ref: ObjectRef) {
        tracker.stalled.forget(ref)
        enqueue(ref)
    }

    /// The envelope with its ciphertexts: those of the watch, if they are still held, else read from the API server.
    private func sealedEnvelope(
        _ blueprint: Blueprint, _ object: WrappedSecret
    ) async throws(Failure) -> Envelope {
        let whole: WrappedSecret
        if object.spec.envelope.dropped == nil {
            whole = object
        } else if let data = tracker.pending.data(
            of: object.metadata.ref, digest: blueprint.envelope.digest)
        {
            var held = object
            held.spec.envelope.dropped = nil
            held.spec.envelope.data = data
            whole = held
        } else {
            whole = try await readSealed(blueprint, object)
        }
        do {
            return try whole.sealedEnvelope()
        } catch {
            throw .reason(error.reason, message: error.message)
        }
    }

    /// Reads an object for its ciphertexts. Its other fields may be larger than was reserved for it.
    private func readSealed(
        _ blueprint: Blueprint, _ object: WrappedSecret
    ) async throws(Failure) -> WrappedSecret {
        do throws(Failure) {
            return try await readAgain(object, maximumBytes: Self.memoryNeed(blueprint))
        } catch .again(let error) where error.code == .responseTooLarge {
            guard memory.reserve(Self.largeObject, for: object.metadata.ref) else { throw .waitsForMemory }
            return try await readAgain(object, maximumBytes: Self.largeObject)
        }
    }

    /// An object that the cache holds in part, without its ciphertexts.
    func readWhole(_ object: WrappedSecret) async throws(Failure) -> WrappedSecret {
        guard memory.reserve(Self.largeObject, for: object.metadata.ref) else { throw .waitsForMemory }
        return try await readAgain(object, maximumBytes: Self.largeObject).droppingCiphertexts()
    }

    /// Bytes of an object whose size is not known: etcd stores 1.5 MiB, which JSON can make six times as long.
    private static let largeObject = 10 << 20

    private func readAgain(
        _ object: WrappedSecret, maximumBytes: Int
    ) async throws(Failure) -> WrappedSecret {
        let ref = object.metadata.ref
        let current: WrappedSecret
        do {
            current = try await client.get(WrappedSecret.self, ref, maximumBytes: maximumBytes)
        } catch  where error.code == .notFound {
            throw .moot
        } catch {
            throw Failure(accessing: error)
        }
        guard current.metadata.uid == object.metadata.uid,
            current.metadata.generation == object.metadata.generation
        else {
            // The watch has not shown this version yet; it will, and then the object is queued again.
            throw .again(
                KubeError(
                    .conflict, activity: "reading WrappedSecret \(ref)",
                    message: "the object has changed since it was queued"))
        }
        return current
    }
}
