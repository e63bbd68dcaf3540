import KubeClient
import Logging
import System

/// Says what happened to objects, as events that `kubectl describe` shows. Recording never waits and never fails:
/// see `EventCorrelator` for what is left out. Safe to use from any thread.
///
/// Core v1 events: every API server serves them, and they are what `kubectl describe` reads.
final class EventRecorder: Sendable {
    typealias Machine = EventCorrelator<ContinuousClock.Instant>

    private let client: KubeClient
    /// Of the reporting instance.
    private let identity: String
    private let logger: Logger
    private let machine: Locked<Machine>
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let ended: AsyncStream<Void>
    private let end: AsyncStream<Void>.Continuation
    private let outage = LogOnce()

    init(client: KubeClient, identity: String, limits: Machine.Limits = .init(), logger: Logger) {
        self.client = client
        self.identity = identity
        self.logger = logger
        machine = Locked(Machine(limits, now: .now))
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (ended, end) = AsyncStream.makeStream()
    }

    /// Events that were not sent: too many, or refused.
    var droppedCount: Int { machine.withLock { $0.droppedCount } }

    /// Nil is nothing to say.
    func record(_ note: EventRecord?) {
        guard let note else { return }
        machine.withLock { $0.record(note, at: .now, time: Timestamp.now.rfc3339) }
        wake.yield()
    }

    /// Sends until it is cancelled, or until all is sent after `finish`.
    func run() async {
        for await _ in wakes { await send() }
        await send()
        end.finish()
    }

    /// What is left is sent, as far as that does not take longer than `limit`.
    func drain(within limit: Duration) async {
        wake.finish()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: limit) }
            group.addTask { [ended] in for await _ in ended {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func send() async {
        while !Task.isCancelled {
            switch machine.withLock({ $0.next(at: .now) }) {
            case .send(let post): await send(post)
            case .wait(let until): try? await Task.sleep(until: until)
            case .idle: return
            }
        }
    }

    private func send(_ post: Machine.Post) async {
        do throws(KubeError) {
            if let name = post.name {
                do throws(KubeError) {
                    try await raise(name, post)
                } catch  where error.code == .notFound {
                    // Its time on the API server was over.
                    try await create(post)
                }
            } else {
                try await create(post)
            }
            if let codes = outage.reset() {
                logger.info("events are written again", metadata: ["after": "\(codes)"])
            }
        } catch {
            machine.withLock { $0.recordFailure(post.record) }
            // Nothing can be created in a namespace that is being deleted.
            let isOrdinary =
                error.code == .cancelled || error.code == .notFound || error.isNamespaceTerminating
            logger.log(
                level: !isOrdinary && outage.shouldLog(error.code.rawValue) ? .warning : .debug,
                "event not written", metadata: ["error": "\(error)"])
        }
    }

    private func create(_ post: Machine.Post) async throws(KubeError) {
        let name = EventManifest.name(for: post.record.involvedObject.ref, tag: .random(in: 0 ... .max))
        let ref = ObjectRef(namespace: post.record.involvedObject.ref.namespace, name: name)
        _ = try await client.create(
            EventManifest.resource, ref, body: EventManifest.body(post, ref, identity: identity))
        machine.withLock { $0.recordSent(post.record, as: name) }
    }

    private func raise(_ name: String, _ post: Machine.Post) async throws(KubeError) {
        let ref = ObjectRef(namespace: post.record.involvedObject.ref.namespace, name: name)
        _ = try await client.patch(
            EventManifest.resource, ref,
            .merge(body: Array(#"{"count":\#(post.count),"lastTimestamp":"\#(post.lastTimestamp)"}"#.utf8)))
    }
}
