package import Concurrency
package import HTTP
import System

/// What a watcher tells its reader. Errors are told too, and are never the end.
package enum WatcherEvent<Object: KubeObject>: Sendable {
    /// A complete list begins: collect what comes aside.
    case initStarted
    case applied(Decoded<Object>)
    case deleted(ObjectMeta)
    /// The list is complete: it replaces what was known. It shows everything up to this version.
    case initDone(resourceVersion: String)
    case interrupted(KubeError)
    /// Something came that cannot be attributed to an object. It is passed over.
    case unreadable(UnreadableEvent)
    /// After an interruption a watch is open again, which may have nothing to tell for long.
    case resumed
}

/// How long watches last and how large pages are.
package struct WatcherOptions: Sendable {
    /// How long the server is asked to keep a watch open, in seconds.
    package var watchSeconds = 270...310
    /// The same for the first watch after a failure.
    package var shortWatchSeconds = 30
    /// A watch that ends sooner, without an event, is a failure.
    package var minimumDuration = Duration.seconds(1)
    package var pageSize = 500
    /// Bytes of a page above which half as many objects are asked for.
    package var maximumPageBytes = 32 << 20
    /// Bytes of an event above which only its beginning is read. The API server writes an object of 1.5 MiB, etcd's
    /// limit, as up to six times that: `<` is `\u003c`.
    package var maximumEventBytes = 32 << 20
    /// Pauses after failures, where the server asks for none.
    package var backoff = Backoff(base: .milliseconds(800), maximum: .seconds(30))
    /// A longer pause is not granted, whatever the server asks for.
    package var maximumPause = Duration.seconds(60)
    package var sleep: Sleep = { try await Task.sleep(for: $0) }

    package init() {}
}

/// Lists and watches one kind of object until its task is cancelled. Informer is another word for it.
///
/// Guarantees: the reader learns of every change that lasts, in order, and of no half list; after any
/// failure the watcher goes on, with backoff, from where the server still knows the place.
package struct Watcher<Object: KubeObject>: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private let timing: WatcherOptions
    private let streamingLists: Bool
    private let progress: WatchProgress?
    private let slots: WatchStartSemaphore

    /// - Parameters:
    ///   - progress: is told how the watch gets on.
    ///   - slots: shared by all watchers that use one API server.
    package init(
        _ client: KubeClient, _ selection: Selection = Selection(), timing: WatcherOptions = WatcherOptions(),
        streamingLists: Bool = true, progress: WatchProgress? = nil,
        slots: WatchStartSemaphore = WatchStartSemaphore()
    ) {
        self.client = client
        self.selection = selection
        self.timing = timing
        self.streamingLists = streamingLists
        self.progress = progress
        self.slots = slots
    }

    /// Ends on cancellation only. Calls `reader` from one task at a time, in order.
    package func run(_ reader: @escaping @Sendable (WatcherEvent<Object>) async -> Void) async {
        let isInterrupted = Locked(false)
        let emit: @Sendable (WatcherEvent<Object>) async -> Void = { event in
            switch event {
            case .interrupted(let error):
                isInterrupted.withLock { $0 = true }
                progress?.recordFailure(error.code.rawValue)
            case .unreadable(let problem): progress?.recordFailure(problem.rawValue)
            case .resumed:
                let wasInterrupted = isInterrupted.withLock { wasInterrupted in
                    defer { wasInterrupted = false }
                    return wasInterrupted
                }
                guard wasInterrupted else { return }
            case .initDone:
                isInterrupted.withLock { $0 = false }
                progress?.recordProgress()
            case .initStarted, .applied, .deleted: break
            }
            await reader(event)
        }
        var machine = WatcherMachine(streamingLists: streamingLists)
        var backoff = timing.backoff
        // What it learns of the size of objects lasts as long as the watcher.
        var pager = ListPager<Object>(
            client, selection, size: timing.pageSize, pageBytes: timing.maximumPageBytes)
        var step = machine.advance(.start)
        while !Task.isCancelled {
            await announce(step.change, emit)
            guard await pause(step.pause, &backoff) else { return }
            switch step.effect {
            case .list(let token):
                step = await list(token, &pager, &machine, emit)
            case .streamList, .watch:
                step = await watch(step.effect, &machine, &backoff, emit)
            case .read:
                // Reading happens inside a watch; outside of one there is nothing to read.
                step = machine.advance(.ended(tooSoon: true))
            }
        }
    }

    private func list(
        _ token: String?, _ pager: inout ListPager<Object>, _ machine: inout WatcherMachine,
        _ emit: @Sendable (WatcherEvent<Object>) async -> Void
    ) async -> WatcherMachine.Transition {
        do {
            let slot = await slots.acquire()
            let page = try await pager.page(after: token)
            slot?.release()
            for item in page.items { await emit(.applied(item)) }
            for _ in page.unreadableItems { await emit(.unreadable(.incomplete)) }
            return machine.advance(
                .page(
                    resourceVersion: page.metadata.resourceVersion ?? "",
                    continueToken: page.continueToken))
        } catch {
            if error.code != .cancelled { await emit(.interrupted(error)) }
            return machine.advance(.failed(WatcherMachine.WatchFailure(error)))
        }
    }

    /// Opens a watch and reads it to its end. Returns what comes after.
    private func watch(
        _ effect: WatcherMachine.Effect, _ machine: inout WatcherMachine, _ backoff: inout Backoff,
        _ emit: @escaping @Sendable (WatcherEvent<Object>) async -> Void
    ) async -> WatcherMachine.Transition {
        let opened = ContinuousClock.now
        let seconds = duration(of: effect)
        let slot = await slots.acquire()
        let reader = WatchReader<Object>(
            machine: machine, progress: progress, slot: slot, maximumLine: timing.maximumEventBytes,
            emit: emit)
        do {
            let outcome = try await client.watch(
                Object.self, selection, query(effect, seconds), idleTimeout: .seconds(seconds + 5)
            ) { body in
                // The server is busy with a streamed list until its end, and with a watch until it is open.
                if effect != .streamList { slot?.release() }
                await emit(.resumed)
                return await reader.read(body)
            }
            machine = outcome.machine
            if outcome.receivedEvent { backoff.reset() }
            if let failure = outcome.failure, failure.code != .cancelled { await emit(.interrupted(failure)) }
            return outcome.next
                ?? machine.advance(.ended(tooSoon: ContinuousClock.now - opened < timing.minimumDuration))
        } catch {
            let failure = WatcherMachine.WatchFailure(error)
            // A server without streamed lists is no interruption: it is listed page by page.
            let isKnown = effect == .streamList && failure == .badRequest
            if !isKnown, error.code != .cancelled { await emit(.interrupted(error)) }
            return machine.advance(.failed(failure))
        }
    }

    private func duration(of effect: WatcherMachine.Effect) -> Int {
        if case .watch(_, probation: true) = effect { return timing.shortWatchSeconds }
        return Int.random(in: timing.watchSeconds)
    }

    private func query(_ effect: WatcherMachine.Effect, _ seconds: Int) -> [(String, String)] {
        let common = [
            ("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", String(seconds)),
        ]
        guard case .watch(let version, _) = effect else {
            return common + [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
        }
        return common + [("resourceVersion", version)]
    }

    /// False when the task was cancelled meanwhile.
    private func pause(_ pause: WatcherMachine.Pause, _ backoff: inout Backoff) async -> Bool {
        let wait: Duration
        switch pause {
        case .none: return true
        case .backOff: wait = backoff.next()
        case .atLeast(let asked): wait = min(max(asked, backoff.next()), timing.maximumPause)
        }
        return (try? await timing.sleep(wait)) != nil
    }

    private func announce(
        _ change: WatcherMachine.StoreChange, _ emit: @Sendable (WatcherEvent<Object>) async -> Void
    ) async {
        switch change {
        case .none: break
        case .beginList: await emit(.initStarted)
        case .commitList(let version): await emit(.initDone(resourceVersion: version))
        }
    }
}
