import Envelope
import KubeClient
import Logging
import Resources
import System

/// The two caches, fed by their watches, and the queue that learns from them what to look at. Secrets are
/// cached as metadata: there is no plaintext in memory between reconciles.
final class Informers: Sendable {
    let objects = Store<Decoded<WrappedSecret>> { $0.metadata.resourceVersion }
    let secrets = Store<ObjectMeta> { $0.resourceVersion }
    let tracker = ObjectTracker()
    let ownedSecrets = OwnedSecretIndex()
    let mergeTargets = MergeTargetIndex()
    let queue: WorkQueue
    private let values = CacheTransform()
    private let logger: Logger
    private let namespace: String?
    private let outages: WatchOutages
    private let unreadable = Locked<Set<String>>([])
    private let started = Locked(false)
    private let metrics: WatchMetrics?

    /// - Parameters:
    ///   - namespace: the one that is watched, of several.
    ///   - outages: shared by the informers of all namespaces.
    ///   - metrics: is told of every list and watch that breaks off, and of what cannot be read.
    init(
        queue: WorkQueue, namespace: String? = nil, logger: Logger, outages: WatchOutages = WatchOutages(),
        metrics: WatchMetrics? = nil
    ) {
        self.queue = queue
        self.namespace = namespace
        self.outages = outages
        self.metrics = metrics
        var logger = logger
        if let namespace { logger[metadataKey: "namespace"] = "\(namespace)" }
        self.logger = logger
    }

    func handle(_ event: WatcherEvent<WrappedSecret>) {
        switch event {
        case .initStarted:
            objects.beginList()
        case .applied(let object):
            recovered(WrappedSecret.resource)
            let reduced = values.transformed(object)
            hold(object, reduced)
            guard case .visible(let before) = objects.apply(reduced.metadata.ref, reduced) else { return }
            mergeTargets.update(before, reduced)
            tracker.writes.observe(object: reduced.metadata)
            if asksForMore(reduced, than: before) { enqueue(reduced.metadata.ref) }
        case .deleted(let metadata):
            mergeTargets.update(objects.remove(metadata.ref), nil)
            tracker.forget(metadata.ref)
        case .initDone(let version):
            let difference = objects.commitList()
            for (ref, before) in difference.changed { mergeTargets.update(before, objects[ref]) }
            for before in difference.removed.values { mergeTargets.update(before, nil) }
            tracker.writes.observeObjectList(upTo: version)
            difference.removed.keys.forEach(tracker.forget)
            recovered(WrappedSecret.resource)
            if !startWhenComplete() { difference.changed.keys.forEach(enqueue) }
        case .resumed:
            recovered(WrappedSecret.resource)
        case .interrupted(let error):
            say(error, WrappedSecret.resource)
        case .unreadable(let problem):
            say(problem, WrappedSecret.resource)
        }
    }

    func handle(_ event: WatcherEvent<SecretMetadata>) {
        switch event {
        case .initStarted:
            secrets.beginList()
        case .applied(let secret):
            recovered(.secrets)
            let secret = values.transformed(secret.metadata)
            guard case .visible(let before) = secrets.apply(secret.ref, secret) else { return }
            ownedSecrets.update(before, secret)
            tracker.missingTargets.remove(secret.ref)
            // Whose it was learns of it too: the pointer to the owner is what may have been changed.
            if let before { enqueueOwners(of: before) }
            tracker.writes.observe(secret: secret)
            enqueueOwners(of: secret)
        case .deleted(let metadata):
            let before = secrets.remove(metadata.ref)
            ownedSecrets.update(before, nil)
            if let before { enqueueOwners(of: before) }
            tracker.writes.observe(secret: metadata)
            enqueueOwners(of: metadata)
        case .initDone(let version):
            let difference = secrets.commitList()
            for (ref, before) in difference.changed {
                ownedSecrets.update(before, secrets[ref])
                if let before { enqueueOwners(of: before) }
            }
            for before in difference.removed.values { ownedSecrets.update(before, nil) }
            tracker.writes.observeSecretList(upTo: version)
            recovered(.secrets)
            guard !startWhenComplete() else { return }
            for ref in difference.changed.keys { secrets[ref].map(enqueueOwners(of:)) }
            difference.removed.values.forEach(enqueueOwners(of:))
            // A Secret that came and went while nobody watched is in neither list.
            if started.withLock({ $0 }) { enqueueAll() }
        case .resumed:
            recovered(.secrets)
        case .interrupted(let error):
            say(error, .secrets)
        case .unreadable(let problem):
            say(problem, .secrets)
        }
    }

    /// What a KMS or its administrator alone can mend.
    private static let waitingForKMS: Set<String> = Set(
        [Reason.kmsUnavailable, .unwrapDenied, .keyUnavailable].map(\.rawValue))

    /// A KMS serves again: what it kept from being synced is tried at once instead of after its pause, and what it may have
    /// answered wrongly is tried once more.
    func retryAfterKMSRecovery() {
        for ref in objects.refs where isWaitingForKMS(ref) { enqueue(ref) }
        for ref in tracker.rejectedEnvelopes.all {
            tracker.terminalFailures.forget(ref)
            enqueue(ref)
        }
    }

    private func isWaitingForKMS(_ ref: ObjectRef) -> Bool {
        guard case .object(let object) = objects[ref] else { return false }
        let written = tracker.writes.expectedStatus(ref)
        let status = written.map { $0.newest(for: object.metadata, object.status) } ?? object.status
        return status?.condition(.ready).map { Self.waitingForKMS.contains($0.reason) } ?? false
    }

    /// Once both lists are complete, everything is looked at, behind what changes meanwhile. Returns
    /// whether that happened now.
    private func startWhenComplete() -> Bool {
        guard objects.hasSynced, secrets.hasSynced else { return false }
        let first = started.withLock { started in
            defer { started = true }
            return !started
        }
        guard first else { return false }
        logger.info(
            "caches complete",
            metadata: ["wrappedsecrets": "\(objects.count)", "secrets": "\(secrets.count)"])
        // What was never synced, or changed while nobody looked, does not wait for the rest.
        for ref in objects.refs { queue.add(ref, backlog: !isUnsynced(ref)) }
        return true
    }

    private func isUnsynced(_ ref: ObjectRef) -> Bool {
        guard case .object(let object) = objects[ref] else { return false }
        return object.status?.secret == nil || object.status?.observedGeneration != object.metadata.generation
    }

    /// Behind what changes meanwhile.
    private func enqueueAll() {
        for ref in objects.refs { queue.add(ref, backlog: true) }
    }

    /// A change of the status alone is our own, mostly, and no reason to look again: a failure that is written down would
    /// otherwise be retried at once instead of after its pause. One of another writer is corrected.
    private func asksForMore(_ item: Decoded<WrappedSecret>, than before: Decoded<WrappedSecret>?) -> Bool {
        let (object, known) = (item.metadata, before?.metadata)
        return object.uid != known?.uid || object.generation != known?.generation
            || object.deletionTimestamp != known?.deletionTimestamp
            || object.annotations != known?.annotations
            || tracker.expectedStatuses.isExternallyModified(item.status, of: object)
    }

    /// Keeps the ciphertexts of an object that is about to be synced.
    private func hold(_ item: Decoded<WrappedSecret>, _ reduced: Decoded<WrappedSecret>) {
        guard case .object(let object) = item, case .object(let cached) = reduced, !cached.isAbridged,
            object.status?.secret?.generation != object.metadata.generation,
            let digest = cached.spec.envelope.droppedCiphertexts?.digest, !digest.isEmpty
        else {
            tracker.pendingCiphertexts.remove(item.metadata.ref)
            return
        }
        tracker.pendingCiphertexts.insert(object, digest: digest)
    }

    private func enqueue(_ ref: ObjectRef) {
        // Before both caches are complete, nothing can be judged; then everything is looked at anyway.
        if started.withLock({ $0 }) { queue.add(ref) }
    }

    private func enqueueOwners(of secret: ObjectMeta) {
        let name =
            OwnershipMetadata.owner(of: secret)?.name
            ?? secret.annotations?[OwnershipMetadata.wrappedSecretAnnotation]
        if let name { enqueue(ObjectRef(namespace: secret.ref.namespace, name: name)) }
        for name in mergeTargets.wrappedSecretNames(into: secret.ref) {
            enqueue(ObjectRef(namespace: secret.ref.namespace, name: name))
        }
    }

    /// Each kind of failure is said once in an outage.
    private func say(_ error: KubeError, _ resource: Resource) {
        metrics?.recordRestart(resource, error.code)
        // To be told that a version is too old is the ordinary way to a new list.
        guard error.code != .expired else { return }
        var metadata: Logger.Metadata = ["resource": "\(resource.plural)", "error": "\(error)"]
        metadata["hint"] = Self.hint(error, resource).map { "\($0)" }
        logger.log(
            level: outages.shouldLog(error.code, watch(of: resource)) ? .warning : .debug,
            "watch interrupted",
            metadata: metadata)
    }

    /// Each kind is said once; the metric counts them all.
    private func say(_ problem: UnreadableEvent, _ resource: Resource) {
        metrics?.recordSkippedEvent(resource, problem)
        let isNews = unreadable.withLock { $0.insert("\(resource.plural) \(problem.rawValue)").inserted }
        logger.log(
            level: isNews ? .warning : .debug, "watch event cannot be read and is skipped",
            metadata: ["resource": "\(resource.plural)", "problem": "\(problem.rawValue)"])
    }

    private func recovered(_ resource: Resource) {
        guard let codes = outages.end(watch(of: resource)) else { return }
        logger.info("watch recovered", metadata: ["resource": "\(resource.plural)", "after": "\(codes)"])
    }

    private func watch(of resource: Resource) -> WatchOutages.Watch {
        WatchOutages.Watch(resource: resource.plural, namespace: namespace)
    }

    /// What to do about it, where a person has to.
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
