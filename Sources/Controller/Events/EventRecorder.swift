import KubeClient
import Logging
import System

/// Sends events about objects, which `kubectl describe` shows. Recording never blocks and never fails:
/// `EventCorrelator` decides which events are dropped. Thread-safe.
///
/// It uses core v1 events: every API server has them, and `kubectl describe` reads them.
final class EventRecorder: Sendable {
    typealias Correlator = EventCorrelator<ContinuousClock.Instant>

    private let client: KubeClient
    /// The name of this process in the events' `reportingInstance`.
    private let identity: String
    private let logger: Logger
    private let correlator: Locked<Correlator>
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation
    private let ended: AsyncStream<Void>
    private let end: AsyncStream<Void>.Continuation
    private let outage = LogOnce()

    init(client: KubeClient, identity: String, limits: Correlator.Limits = .init(), logger: Logger) {
        self.client = client
        self.identity = identity
        self.logger = logger
        correlator = Locked(Correlator(limits, now: .now))
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (ended, end) = AsyncStream.makeStream()
    }

    /// The number of events that exceeded the limits or could not be written.
    var droppedCount: Int { correlator.withLock { $0.droppedCount } }

    func record(_ record: EventRecord?) {
        guard let record else { return }
        correlator.withLock { $0.record(record, at: .now, timestamp: Timestamp.now.rfc3339) }
        wakeUp.yield()
    }

    /// Sends events until the task is cancelled, or until all are sent after `drain`.
    func run() async {
        for await _ in wakeUps { await sendPending() }
        await sendPending()
        end.finish()
    }

    /// Lets `run` send the remaining events and end, and waits for that no longer than `limit`.
    func drain(within limit: Duration) async {
        wakeUp.finish()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: limit) }
            group.addTask { [ended] in for await _ in ended {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func sendPending() async {
        while !Task.isCancelled {
            switch correlator.withLock({ $0.next(at: .now) }) {
            case .send(let event): await send(event)
            case .wait(let until): try? await Task.sleep(until: until)
            case .idle: return
            }
        }
    }

    private func send(_ event: Correlator.PendingEvent) async {
        do throws(KubeError) {
            if let name = event.name {
                do throws(KubeError) {
                    try await updateCount(of: name, event)
                } catch  where error.code == .notFound {
                    // The API server has deleted the event after its TTL.
                    try await create(event)
                }
            } else {
                try await create(event)
            }
            if let codes = outage.reset() {
                logger.info("events are written again", metadata: ["after": "\(codes)"])
            }
        } catch {
            correlator.withLock { $0.recordFailure(event.record) }
            // Nothing can be created in a namespace that is being deleted.
            let isExpected =
                error.code == .cancelled || error.code == .notFound || error.isNamespaceTerminating
            logger.log(
                level: !isExpected && outage.shouldLog(error.code.rawValue) ? .warning : .debug,
                "event not written", metadata: ["error": "\(error)"])
        }
    }

    private func create(_ event: Correlator.PendingEvent) async throws(KubeError) {
        let object = event.record.involvedObject.ref
        let ref = ObjectRef(
            namespace: event.record.involvedObject.ref.namespace,
            name: EventManifest.name(for: object, tag: .random(in: 0 ... .max)))
        _ = try await client.create(
            EventManifest.resource, ref, body: EventManifest.body(event, ref, identity: identity))
        correlator.withLock { $0.recordSent(event.record, as: ref.name) }
    }

    private func updateCount(of name: String, _ event: Correlator.PendingEvent) async throws(KubeError) {
        let patch = #"{"count":\#(event.count),"lastTimestamp":"\#(event.lastTimestamp)"}"#
        _ = try await client.patch(
            EventManifest.resource,
            ObjectRef(namespace: event.record.involvedObject.ref.namespace, name: name),
            .merge(body: Array(patch.utf8)))
    }
}
