package import Concurrency
import HTTP
import System

/// An event that a watcher passes to its reader. Errors are events too, and never end the watcher.
package enum WatcherEvent<Object: KubeObject>: Sendable {
    /// A complete list begins. The reader collects the following objects without showing them.
    case initStarted
    case applied(Decoded<Object>)
    case deleted(ObjectMeta)
    /// The list is complete as of this version. It replaces everything known before.
    case initDone(resourceVersion: String)
    case interrupted(KubeError)
    /// Something arrived that cannot be attributed to an object. It was skipped.
    case unreadable(UnreadableEvent)
    /// After an interruption a watch is open again. It may have no event for a long time.
    case resumed
}

/// The durations of watches and the sizes of lists and events.
package struct WatcherOptions: Sendable {
    /// The time in seconds after which the server should end a watch.
    package var watchSeconds = 270...310
    /// The same for the first watch after a failure.
    package var shortWatchSeconds = 30
    /// A watch that ends sooner than this without an event counts as a failure.
    package var minimumDuration = Duration.seconds(1)
    package var pageSize = 500
    /// The bytes of a page above which the watcher requests half as many objects.
    package var maximumPageBytes = 32 << 20
    /// The bytes of a page above which the next page is not requested while its objects are taken.
    package var maximumBytesAhead = 4 << 20
    /// The bytes of an event above which only its beginning is read. The API server writes an object of 1.5 MiB, etcd's
    /// limit, with up to six times as many bytes: `<` becomes `\u003c`.
    package var maximumEventBytes = 32 << 20
    /// The delays after failures, unless the server requests one.
    package var backoff = Backoff(base: .milliseconds(800), maximum: .seconds(30))
    /// The limit for a delay that the server requests.
    package var maximumPause = Duration.seconds(60)
    package var sleep: Sleep = { try await Task.sleep(for: $0) }

    package init() {}
}

/// Lists and watches one kind of object until its task is cancelled, like the reflector of an informer.
///
/// Guarantees: the reader receives every lasting change, in order, and no partial list. After a failure the watcher
/// continues, with backoff, from the last resource version that the server still knows.
package struct Watcher<Object: KubeObject>: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private let options: WatcherOptions
    private let streamingLists: Bool
    private let progress: WatchProgress?
    private let semaphore: WatchStartSemaphore

    /// - Parameters:
    ///   - streamingLists: tries streamed lists (KEP-3157) first.
    ///   - progress: records whether the watch makes progress.
    ///   - semaphore: shared by all watchers of one API server.
    package init(
        _ client: KubeClient, _ selection: Selection = Selection(),
        options: WatcherOptions = WatcherOptions(), streamingLists: Bool = true,
        progress: WatchProgress? = nil, semaphore: WatchStartSemaphore = WatchStartSemaphore()
    ) {
        self.client = client
        self.selection = selection
        self.options = options
        self.streamingLists = streamingLists
        self.progress = progress
        self.semaphore = semaphore
    }

    /// Runs until the task is cancelled. Calls `reader` from one task at a time, in order.
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
        var backoff = options.backoff
        var pages = PageReader<Object>(
            ListPager(client, selection, size: options.pageSize, maximumPageBytes: options.maximumPageBytes),
            semaphore: semaphore, maximumBytesAhead: options.maximumBytesAhead)
        var transition = machine.advance(.start)
        while !Task.isCancelled {
            await announce(transition.change, emit)
            guard await pause(transition.pause, &backoff) else { return }
            switch transition.effect {
            case .list(let token):
                transition = await list(token, &pages, &machine, emit)
            case .streamList, .watch:
                transition = await watch(transition.effect, &machine, &backoff, emit)
            case .read:
                // The machine returns this effect only for the events of an open watch.
                transition = machine.advance(.ended(tooSoon: true))
            }
        }
    }

    private func list(
        _ token: String?, _ pages: inout PageReader<Object>, _ machine: inout WatcherMachine,
        _ emit: @Sendable (WatcherEvent<Object>) async -> Void
    ) async -> WatcherMachine.Transition {
        do {
            let (metadata, next) = try await pages.read(after: token) { page in
                for item in page.items { await emit(.applied(item)) }
                for _ in page.unreadableItems { await emit(.unreadable(.incomplete)) }
            }
            let version = metadata.resourceVersion ?? ""
            if version.isEmpty, next == nil { await emit(.interrupted(.listWithoutVersion(Object.self))) }
            return machine.advance(.page(resourceVersion: version, continueToken: next))
        } catch {
            if error.code != .cancelled { await emit(.interrupted(error)) }
            return machine.advance(.failed(WatcherMachine.WatchFailure(error)))
        }
    }

    /// Opens a watch and reads it to its end.
    private func watch(
        _ effect: WatcherMachine.Effect, _ machine: inout WatcherMachine, _ backoff: inout Backoff,
        _ emit: @escaping @Sendable (WatcherEvent<Object>) async -> Void
    ) async -> WatcherMachine.Transition {
        let opened = ContinuousClock.now
        let seconds = duration(of: effect)
        let permit = await semaphore.acquire()
        let reader = WatchReader<Object>(
            machine: machine, progress: progress, permit: permit,
            maximumEventBytes: options.maximumEventBytes, emit: emit)
        do {
            let outcome = try await client.watch(
                Object.self, selection, query(effect, seconds), idleTimeout: .seconds(seconds + 5)
            ) { body in
                // A streamed list is work for the server until its end, a watch only until it is open.
                if effect != .streamList { permit?.release() }
                await emit(.resumed)
                return await reader.read(body)
            }
            machine = outcome.machine
            if outcome.receivedEvent { backoff.reset() }
            if let failure = outcome.failure, failure.code != .cancelled { await emit(.interrupted(failure)) }
            return outcome.next
                ?? machine.advance(
                    .ended(tooSoon: ContinuousClock.now - opened < options.minimumDuration))
        } catch {
            let failure = WatcherMachine.WatchFailure(error)
            // A server that does not support streamed lists is not an interruption: it is listed page by page.
            let isExpected = effect == .streamList && failure == .badRequest
            if !isExpected, error.code != .cancelled { await emit(.interrupted(error)) }
            return machine.advance(.failed(failure))
        }
    }

    private func duration(of effect: WatcherMachine.Effect) -> Int {
        if case .watch(_, isShort: true) = effect { return options.shortWatchSeconds }
        return Int.random(in: options.watchSeconds)
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

    /// - Returns: false if the task was cancelled during the pause.
    private func pause(_ pause: WatcherMachine.Pause, _ backoff: inout Backoff) async -> Bool {
        let delay: Duration
        switch pause {
        case .none: return true
        case .backOff: delay = backoff.next()
        case .atLeast(let requested): delay = min(max(requested, backoff.next()), options.maximumPause)
        }
        return (try? await options.sleep(delay)) != nil
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
