import Envelope
import KubeClient
import Logging
import Resources
import System

/// The caches of WrappedSecrets and Secrets, fed by their watches, with what is derived from them: indexes, write
/// expectations, and the objects to reconcile, which go into the queue. Caches only the metadata of Secrets, so that no
/// plaintext is in memory between reconciles.
final class Informers: Sendable {
    let objects: Store<Decoded<WrappedSecret>>
    let secrets: Store<ObjectMeta>
    let tracker = ObjectTracker()
    let ownedSecrets = OwnedSecretIndex()
    let providerUsers = ProviderUserIndex()
    let counts = ObjectCounts()
    let queue: WorkQueue
    private let mergeTargets = MergeTargetIndex()
    private let logger: Logger
    private let namespace: String?
    private let outages: WatchOutages
    private let loggedProblems = Locked<Set<String>>([])
    private let codec: CacheCodec
    private let start = Locked(InformerStart())
    private let metrics: WatchMetrics?

    /// - Parameters:
    ///   - namespace: the watched namespace, if several are watched.
    ///   - outages: shared by the informers of all namespaces.
    ///   - codec: shared by the informers of all namespaces, so that its pools exist once.
    ///   - metrics: counts interrupted watches and unreadable events.
    init(
        queue: WorkQueue, namespace: String? = nil, logger: Logger, outages: WatchOutages = WatchOutages(),
        codec: CacheCodec = CacheCodec(), metrics: WatchMetrics? = nil
    ) {
        self.codec = codec
        objects = Store(pack: codec.pack, unpack: codec.unpackObject) { $0.metadata.resourceVersion }
        secrets = Store(pack: codec.pack, unpack: codec.unpackMetadata) { $0.resourceVersion }
        self.queue = queue
        self.namespace = namespace
        self.outages = outages
        self.metrics = metrics
        var logger = logger
        if let namespace { logger[metadataKey: "namespace"] = "\(namespace)" }
        self.logger = logger
    }

    // MARK: events

    func handle(_ event: WatcherEvent<WrappedSecret>) {
        switch event {
        case .initStarted:
            objects.beginList()
            counts.beginList()
            mergeTargets.beginList()
            providerUsers.beginList()
        case .applied(let object):
            recordRecovery(of: WrappedSecret.resource)
            let cached = CacheTransform.transformed(object)
            let ref = cached.metadata.ref
            keepCiphertexts(of: object, cached)
            let wasInSync = hasStarted && isInSync(ref)
            switch objects.apply(ref, cached) {
            case .buffered(let before):
                updateIndexes(before, cached, in: .incoming)
            case .visible(let before):
                updateIndexes(before, cached, in: .visible)
                tracker.writes.observe(object: cached.metadata)
                if wasInSync, let before { expectStatus(of: before) }
                if needsReconcile(cached, after: before) { enqueue(ref) }
            }
        case .deleted(let metadata):
            let removed = objects.remove(metadata.ref)
            updateIndexes(removed.visible, nil, in: .visible)
            updateIndexes(removed.buffered, nil, in: .incoming)
            tracker.forget(metadata.ref)
        case .initDone(let version):
            let difference = objects.commitList()
            counts.commitList()
            mergeTargets.commitList()
            providerUsers.commitList()
            tracker.writes.observeObjectList(upTo: version)
            difference.removed.keys.forEach(tracker.forget)
            recordRecovery(of: WrappedSecret.resource)
            advance(.objectsListed) { difference.changed.keys.forEach(enqueue) }
        case .resumed:
            recordRecovery(of: WrappedSecret.resource)
        case .interrupted(let error):
            report(error, WrappedSecret.resource)
        case .unreadable(let problem):
            report(problem, WrappedSecret.resource)
        }
    }

    func handle(_ event: WatcherEvent<SecretMetadata>) {
        switch event {
        case .initStarted:
            secrets.beginList()
            ownedSecrets.beginList()
        case .applied(let secret):
            recordRecovery(of: .secrets)
            let secret = CacheTransform.transformed(secret.metadata)
            switch secrets.apply(secret.ref, secret) {
            case .buffered(let before):
                ownedSecrets.update(before, secret, in: .incoming)
            case .visible(let before):
                ownedSecrets.update(before, secret)
                tracker.missingTargets.remove(secret.ref)
                // The former owner is reconciled too: the change may have removed the reference to it.
                if let before { enqueueOwners(of: before) }
                tracker.writes.observe(secret: secret)
                enqueueOwners(of: secret)
            }
        case .deleted(let metadata):
            let removed = secrets.remove(metadata.ref)
            ownedSecrets.update(removed.visible, nil)
            ownedSecrets.update(removed.buffered, nil, in: .incoming)
            if let before = removed.visible { enqueueOwners(of: before) }
            tracker.writes.observe(secret: metadata)
            enqueueOwners(of: metadata)
        case .initDone(let version):
            let difference = secrets.commitList()
            ownedSecrets.commitList()
            tracker.writes.observeSecretList(upTo: version)
            recordRecovery(of: .secrets)
            advance(.secretsListed) {
                for (ref, before) in difference.changed {
                    if let before { enqueueOwners(of: before) }
                    secrets[ref].map(enqueueOwners(of:))
                }
                difference.removed.values.forEach(enqueueOwners(of:))
                // A Secret that was created and deleted while no watch was open is in neither list.
                for ref in objects.refs where !isInSync(ref) { queue.add(ref, backlog: true) }
            }
        case .resumed:
            recordRecovery(of: .secrets)
        case .interrupted(let error):
            report(error, .secrets)
        case .unreadable(let problem):
            report(problem, .secrets)
        }
    }

    private func updateIndexes(
        _ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?, in part: CachePart
    ) {
        counts.update(before, after, in: part)
        mergeTargets.update(before, after, in: part)
        providerUsers.update(before, after, in: part)
    }

    /// Returns whether a changed WrappedSecret is reconciled. A change of the status alone is mostly our own, and to
    /// reconcile it would retry a failure at once instead of after its delay. A change by another writer is corrected.
    private func needsReconcile(
        _ item: Decoded<WrappedSecret>, after before: Decoded<WrappedSecret>?
    ) -> Bool {
        let (object, known) = (item.metadata, before?.metadata)
        return object.uid != known?.uid || object.generation != known?.generation
            || object.deletionTimestamp != known?.deletionTimestamp
            || object.annotations != known?.annotations
            || tracker.syncRecord(object.ref).isExternallyModified(item.status, of: object)
    }

    /// Keeps the ciphertexts of an object that is about to be synced, because the cache drops them.
    private func keepCiphertexts(of item: Decoded<WrappedSecret>, _ cached: Decoded<WrappedSecret>) {
        guard case .object(let object) = item, case .object(let cached) = cached, !cached.isAbridged,
            object.status?.secret?.generation != object.metadata.generation,
            let digest = cached.spec.envelope.droppedCiphertexts?.digest, !digest.isEmpty
        else {
            tracker.pendingCiphertexts.remove(item.metadata.ref)
            return
        }
        tracker.pendingCiphertexts.insert(object, digest: digest)
    }

    // MARK: queue

    /// Queues what there is to do once the caches are complete, and from then on each change, because the workers of this replica
    /// run now. Until then another replica may lead.
    func lead() { advance(.leading) {} }

    private var hasStarted: Bool { start.withLock { $0.hasStarted } }

    /// - Parameter update: queues what an event changes after the start.
    private func advance(_ input: InformerStart.Input, _ update: () -> Void) {
        switch start.withLock({ $0.advance(input) }) {
        case .waiting: break
        case .complete: logCounts("caches complete")
        case .starting(let isTakeover): queueUnsynced(isTakeover ? "taking over" : "caches complete")
        case .started: update()
        }
    }

    private func logCounts(_ message: Logger.Message, _ more: Logger.Metadata = [:]) {
        let counts: Logger.Metadata = [
            "wrappedsecrets": "\(objects.count)", "secrets": "\(secrets.count)",
        ]
        logger.info(message, metadata: counts.merging(more) { count, _ in count })
    }

    private func enqueue(_ ref: ObjectRef) {
        // Before the start, no decision is possible; then each object is looked at.
        if hasStarted { queue.add(ref) }
    }

    private func enqueueOwners(of secret: ObjectMeta) {
        let namespace = secret.ref.namespace
        let owner =
            OwnershipMetadata.owner(of: secret)?.name ?? OwnershipMetadata.wrappedSecretName(of: secret)
        if let owner { enqueue(ObjectRef(namespace: namespace, name: owner)) }
        for name in mergeTargets.wrappedSecretNames(into: secret.ref) {
            enqueue(ObjectRef(namespace: namespace, name: name))
        }
    }

    /// Queues the objects that are not in sync, those that were never synced or have changed first.
    private func queueUnsynced(_ message: Logger.Message) {
        let refs = objects.refs.filter { !isInSync($0) }
        logCounts(message, ["queued": "\(refs.count)"])
        for ref in refs { queue.add(ref, backlog: objects[ref].map { !Self.isUnsynced($0) } ?? true) }
    }

    /// Returns true if the caches alone show that there is nothing to do for an object. This process has no record of it then.
    private func isInSync(_ ref: ObjectRef) -> Bool {
        guard let object = objects.packed(ref), let expected = SyncFingerprint(packed: object),
            let secret = secrets.packed(ref), SyncFingerprint(packed: secret) == expected
        else { return false }
        return ownedSecrets.hasNoOtherSecret(ref) { codec.uid(packed: object) }
    }

    /// Remembers the status of an object that the start found in sync, before it changes: a change by another writer is corrected.
    private func expectStatus(of item: Decoded<WrappedSecret>) {
        tracker.withSyncRecord(item.metadata.ref) { record in
            if record.isEmpty { record.expectStatus(item.status, of: item.metadata) }
        }
    }

    /// Returns true for an object that was never synced, or has changed while no controller was running.
    private static func isUnsynced(_ item: Decoded<WrappedSecret>) -> Bool {
        guard case .object(let object) = item else { return false }
        return object.status?.secret == nil || object.status?.observedGeneration != object.metadata.generation
    }

    /// Reconciles everything at once that a KMS kept from being synced, because it serves again. Retries rejected
    /// envelopes too, because that KMS may have returned wrong data keys.
    func retryAfterKMSRecovery() {
        for ref in objects.refs where isWaitingForKMS(ref) { enqueue(ref) }
        tracker.rejectedEnvelopes.all.forEach(retryRejected)
    }

    /// Reconciles at once what uses a provider that has changed or serves again, or a namespace whose labels decide which
    /// providers it may use.
    func retryUsers(after change: ProviderCaches.Change) {
        switch change {
        case .provider(let provider, _): providerUsers.users(of: provider).forEach(retryRejected)
        case .namespace(let name): providerUsers.users(inNamespace: name).forEach(retryRejected)
        case .listed: break
        }
    }

    /// Retries an object whose envelope could not be opened.
    func retryRejected(_ ref: ObjectRef) {
        tracker.withFailureRecord(ref) { $0.forgetTerminalFailure() }
        enqueue(ref)
    }

    private func isWaitingForKMS(_ ref: ObjectRef) -> Bool {
        guard case .object(let object) = objects[ref] else { return false }
        let written = tracker.writes.expectedStatus(ref)
        let status = written.map { $0.newest(for: object.metadata, object.status) } ?? object.status
        guard let reason = status?.condition(.ready)?.reason else { return false }
        return [Reason.kmsUnavailable, .unwrapDenied, .keyUnavailable].contains { $0.rawValue == reason }
    }

    // MARK: logs and metrics

    private func report(_ error: KubeError, _ resource: Resource) {
        metrics?.recordRestart(resource, error.code)
        // An expired resourceVersion is the normal reason for a new list.
        guard error.code != .expired else { return }
        var metadata: Logger.Metadata = ["resource": "\(resource.plural)", "error": "\(error)"]
        metadata["hint"] = Self.hint(error, resource).map { "\($0)" }
        logger.log(
            level: outages.shouldLog(error.code, watch(of: resource)) ? .warning : .debug,
            "watch interrupted",
            metadata: metadata)
    }

    /// Logs each kind of problem once. The metric counts them all.
    private func report(_ problem: UnreadableEvent, _ resource: Resource) {
        metrics?.recordSkippedEvent(resource, problem)
        let isFirst = loggedProblems.withLock { $0.insert("\(resource.plural) \(problem.rawValue)").inserted }
        logger.log(
            level: isFirst ? .warning : .debug, "watch event cannot be read and is skipped",
            metadata: ["resource": "\(resource.plural)", "problem": "\(problem.rawValue)"])
    }

    private func recordRecovery(of resource: Resource) {
        guard let codes = outages.end(watch(of: resource)) else { return }
        logger.info("watch recovered", metadata: ["resource": "\(resource.plural)", "after": "\(codes)"])
    }

    private func watch(of resource: Resource) -> WatchOutages.Watch {
        WatchOutages.Watch(resource: resource.plural, namespace: namespace)
    }

    /// Returns what a user has to do about an error.
    private static func hint(_ error: KubeError, _ resource: Resource) -> String? {
        switch error.code {
        case .notFound where resource == WrappedSecret.resource:
            "the CRD is missing: kubectl apply --server-side -f manifests/crds/"
        case .forbidden:
            "the controller's role has to allow list and watch of \(resource.plural) here (manifests/base/rbac.yaml)"
        default: nil
        }
    }
}
