import KubeClient
import Logging
import Primitives

/// Says what happened to objects, as events that `kubectl describe` shows. Recording never waits and never fails:
/// see `EventMachine` for what is left out. Safe to use from any thread.
///
/// Core v1 events: every API server serves them, and they are what `kubectl describe` reads.
final class EventRecorder: Sendable {
    typealias Machine = EventMachine<ContinuousClock.Instant>

    private let client: KubeClient
    /// Of the reporting instance.
    private let identity: String
    private let logger: Logger
    private let machine: Locked<Machine>
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let ended: AsyncStream<Void>
    private let end: AsyncStream<Void>.Continuation
    private let outage = Outage()

    init(client: KubeClient, identity: String, limits: Machine.Limits = .init(), logger: Logger) {
        self.client = client
        self.identity = identity
        self.logger = logger
        machine = Locked(Machine(limits, now: .now))
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (ended, end) = AsyncStream.makeStream()
    }

    /// Events that were not sent: too many, or refused.
    var dropped: Int { machine.withLock { $0.dropped } }

    /// Nil is nothing to say.
    func record(_ note: EventNote?) {
        guard let note else { return }
        machine.withLock { $0.record(note, at: .now, time: Timestamp.now.whole) }
        wake.yield()
    }

    /// Sends until it is cancelled, or until all is sent after `finish`.
    func run() async {
        for await _ in wakes { await send() }
        await send()
        end.finish()
    }

    /// What is left is sent, as far as that does not take longer than `limit`.
    func finish(within limit: Duration) async {
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
            case .post(let post): await send(post)
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
            if let codes = outage.end() {
                logger.info("events are written again", metadata: ["after": "\(codes)"])
            }
        } catch {
            machine.withLock { $0.failed(post.note) }
            // Nothing can be created in a namespace that is being deleted.
            let isOrdinary =
                error.code == .cancelled || error.code == .notFound || error.isNamespaceTerminating
            logger.log(
                level: !isOrdinary && outage.isNews(error.code.rawValue) ? .warning : .debug,
                "event not written", metadata: ["error": "\(error)"])
        }
    }

    private func create(_ post: Machine.Post) async throws(KubeError) {
        let name = EventObject.name(for: post.note.subject.ref, tag: .random(in: 0 ... .max))
        let ref = ObjectRef(namespace: post.note.subject.ref.namespace, name: name)
        _ = try await client.create(
            EventObject.resource, ref, body: EventObject.manifest(post, ref, identity: identity))
        machine.withLock { $0.sent(post.note, as: name) }
    }

    private func raise(_ name: String, _ post: Machine.Post) async throws(KubeError) {
        let ref = ObjectRef(namespace: post.note.subject.ref.namespace, name: name)
        _ = try await client.patch(
            EventObject.resource, ref,
            .merge(body: Array(#"{"count":\#(post.count),"lastTimestamp":"\#(post.last)"}"#.utf8)))
    }
}

extension KubeError {
    fileprivate var isNamespaceTerminating: Bool {
        status?.details?.causes?.contains { $0.reason == "NamespaceTerminating" } == true
    }
}
