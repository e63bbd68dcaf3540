import Envelope
import KubeClient
import Logging
import Resources

/// The keys that unwrap data keys.
struct ReconcileKeys: Sendable {
    /// The keys of the controller's settings.
    let own: KeyRing
    /// The keys of `spec.keyRef`, or nil if this controller serves none.
    let providers: Providers?
}

/// The values of a Secret, in secret memory.
struct DesiredValues: Sendable {
    let envelope: OpenedEnvelope
    /// The entries of the envelope and the rendered templates.
    let all: [SecretEntry]
}

/// Opens an envelope: from memory, with the ciphertexts of the watch or of a read, and with the KMS.
extension Reconciler {
    /// Returns the entries of the envelope, and the keys that the templates render from them.
    func values(of request: ReconcileRequest) async throws(ReconcileFailure) -> DesiredValues {
        let envelope = try await unwrap(request)
        do throws(SpecError) {
            return DesiredValues(
                envelope: envelope, all: try request.desired.templates.rendered(with: envelope.entries))
        } catch {
            throw .notReady(error.reason, message: error.message)
        }
    }

    /// Returns the values of the envelope. Values that an earlier reconcile has opened and could not write are kept,
    /// and cost no request to the KMS.
    private func unwrap(_ request: ReconcileRequest) async throws(ReconcileFailure) -> OpenedEnvelope {
        let ref = request.ref
        let digest = request.desired.envelope.digest
        try reserveMemory(Self.requiredMemory(request.desired), for: request.object)
        if let opened = tracker.plaintextCache.envelope(of: ref, digest: digest) { return opened }
        try reserveProvider(of: request.object)
        defer { limits.providers.release(ref) }
        // Before the ciphertexts are read: an object that waits for a token asks for it again and again.
        if let wait = limits.unwraps.acquireToken(ref) {
            if wait.isFirstInNamespace {
                logger.warning(
                    "namespace has spent its unwraps: its objects wait for their turn (--kms-namespace-rate)",
                    metadata: ["namespace": "\(request.desired.namespace)"])
            }
            throw .throttled(until: wait.until)
        }
        let (provider, keys): (ResolvedProvider?, KeyRing)
        let sealed: Envelope
        do throws(ReconcileFailure) {
            sealed = try await sealedEnvelope(request)
            (provider, keys) = try self.keys(of: request.object)
        } catch {
            limits.unwraps.refundToken(ref)
            throw error
        }
        var audit = UnwrapAudit(request.object.metadata, sealed, provider?.provider, logger)
        // The first attempt that a KMS serves uses the token, and each further one costs another.
        var isTokenUsed = false
        do {
            let opened = try await sealed.open(with: keys) { attempt in
                if attempt.failure?.refundsUnwrapToken != true {
                    if isTokenUsed { limits.unwraps.chargeToken(ref) }
                    isTokenUsed = true
                }
                audit.logFailure(of: attempt)
            }
            audit.logSuccess(opened)
            if let provider { self.keys.providers?.recordUse(of: provider, .success(opened)) }
            tracker.withSyncRecord(ref) {
                $0.envelopeVerified(request.object.metadata, digest: digest, key: UnwrappingKey(opened))
            }
            tracker.plaintextCache.insert(opened, digest: digest, for: ref)
            tracker.rejectedEnvelopes.remove(ref)
            for other in tracker.rejectedEnvelopes.takeDueRetries() { informers.retryRejected(other) }
            return opened
        } catch {
            audit.logFailureAfterAttempts(error)
            if let provider { self.keys.providers?.recordUse(of: provider, .failure(error)) }
            if !isTokenUsed { limits.unwraps.refundToken(ref) }
            throw ReconcileFailure(unwrapping: error, provider: provider)
        }
    }

    /// Returns the key of `spec.keyRef`, or why it cannot be used, or nil for the controller's own keys.
    func provider(
        of object: WrappedSecret
    ) throws(ReconcileFailure) -> Result<ResolvedProvider, ProviderError>? {
        guard object.spec.keyRef != nil else { return nil }
        guard let providers = keys.providers else {
            return .failure(
                ProviderError(reason: .providerNotReady, message: "this controller serves no providers"))
        }
        return try providers.resolve(object)
    }

    private func resolvedProvider(of object: WrappedSecret) throws(ReconcileFailure) -> ResolvedProvider? {
        switch try provider(of: object) {
        case nil: return nil
        case .success(let provider): return provider
        case .failure(let error): throw .notReady(error.reason, message: error.message)
        }
    }

    /// Returns the keys for an object: those of its provider, or the controller's own.
    private func keys(of object: WrappedSecret) throws(ReconcileFailure) -> (ResolvedProvider?, KeyRing) {
        guard let provider = try resolvedProvider(of: object), let providers = keys.providers else {
            return (nil, keys.own)
        }
        let ring: KeyRing?
        do throws(ProviderError) {
            ring = try providers.rings.ring(for: provider)
        } catch {
            throw .notReady(error.reason, message: error.message)
        }
        // The provider has changed since it was resolved: its change queues the object too.
        guard let ring else { throw .requeueAfter(.milliseconds(10)) }
        return (provider, ring)
    }

    /// Reserves memory until the end of the reconcile, which may wait for the KMS of the object's provider meanwhile.
    func reserveMemory(_ bytes: Int, for object: WrappedSecret) throws(ReconcileFailure) {
        let provider = try? provider(of: object)?.get()
        let pool = provider.map { ReconcileMemoryLimiter.Pool.clusterKeyProvider($0.clusterKeyProvider) }
        guard limits.memory.reserve(bytes, for: object.metadata.ref, in: pool ?? .own) else {
            throw .waitingForMemory
        }
    }

    /// Reserves a place among the reconciles that unwrap with the object's provider.
    private func reserveProvider(of object: WrappedSecret) throws(ReconcileFailure) {
        guard let provider = try resolvedProvider(of: object) else { return }
        guard limits.providers.reserve(provider.clusterKeyProvider, for: object.metadata.ref) else {
            throw .waitingForProvider
        }
    }

    /// Returns the bytes that a reconcile holds at most at the same time: the base64 that was read, the ciphertext, the
    /// plaintext, what templates render and their filters return, and the request body while it grows. Of the 1 MiB that a
    /// Secret may have, that is at most 9 MiB.
    static func requiredMemory(_ desired: DesiredSecret) -> Int {
        let plaintext = desired.envelope.plaintextByteCount
        let rendered = desired.templates.maximumRenderedBytes(plaintextByteCount: plaintext)
        let filtered = desired.templates.maximumFilteredBytes(plaintextByteCount: plaintext)
        return plaintext * 7 + rendered * 6 + filtered * 2 + (32 << 10)
    }

    /// Returns the envelope with the ciphertexts of the watch, if they are still in memory, or else of a read.
    private func sealedEnvelope(_ request: ReconcileRequest) async throws(ReconcileFailure) -> Envelope {
        var object = request.object
        if object.spec.envelope.droppedCiphertexts != nil {
            if let data = tracker.pendingCiphertexts.data(
                of: request.ref, digest: request.desired.envelope.digest)
            {
                object.spec.envelope.droppedCiphertexts = nil
                object.spec.envelope.data = data
            } else {
                object = try await readCiphertexts(request)
            }
        }
        do {
            return try object.sealedEnvelope()
        } catch {
            throw .notReady(error.reason, message: error.message)
        }
    }

    /// Reads an object for its ciphertexts. Its other fields may be larger than the memory reserved for it.
    private func readCiphertexts(_ request: ReconcileRequest) async throws(ReconcileFailure) -> WrappedSecret
    {
        do throws(ReconcileFailure) {
            return try await readAgain(request.object, maximumBytes: Self.requiredMemory(request.desired))
        } catch .transient(let error) where error.code == .responseTooLarge {
            try reserveMemory(Self.largeObject, for: request.object)
            return try await readAgain(request.object, maximumBytes: Self.largeObject)
        }
    }

    /// Reads an object that the cache holds only in part, and drops its ciphertexts.
    func readUnabridged(_ object: WrappedSecret) async throws(ReconcileFailure) -> WrappedSecret {
        try reserveMemory(Self.largeObject, for: object)
        return try await readAgain(object, maximumBytes: Self.largeObject).droppingCiphertexts()
    }

    /// The bytes of an object of unknown size: etcd stores 1.5 MiB, which JSON can make six times as long.
    static let largeObject = 10 << 20

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
            // The watch has not shown this version yet. When it does, the object is queued again.
            throw .transient(
                KubeError(
                    .conflict, activity: "reading WrappedSecret \(ref)",
                    message: "the object has changed since it was queued"))
        }
        return current
    }
}
