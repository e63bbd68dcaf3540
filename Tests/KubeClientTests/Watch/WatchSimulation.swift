import TestSupport

@testable import KubeClient

/// Runs a `WatcherMachine` and a `Store` against a `WatchedServer` in virtual time, as `Watcher` does. Faults interrupt lists and
/// watches. Checks that no change is applied twice, out of order or to a partial list.
struct WatchSimulation {
    private(set) var server = WatchedServer()
    private let store = Store<Int> { "\($0)" }
    private var random: SeededGenerator
    private var machine: WatcherMachine
    private var transition: WatcherMachine.Transition
    private let supportsStreaming: Bool
    private var time = 0.0
    private var failures = 0
    /// No faults and no changes happen any more.
    private var isQuiet = false
    /// The server was restored, which ends each request.
    private var isInterrupted = false
    /// The version as of which the store is complete.
    private var known = 0
    private var page: (version: Int, objects: [(name: String, version: Int)]) = (0, [])
    private(set) var requestCount = 0
    private(set) var violation: String?

    init(_ random: SeededGenerator, streamingLists: Bool) {
        var random = random
        var machine = WatcherMachine(streamingLists: streamingLists)
        transition = machine.advance(.start)
        supportsStreaming = random.chance(0.7)
        self.random = random
        self.machine = machine
    }

    mutating func run(seconds: Double) {
        let end = time + seconds
        while violation == nil, time < end { step() }
    }

    /// Runs without faults and changes, for longer than any watch and any pause.
    mutating func settle() {
        isQuiet = true
        run(seconds: 700)
        let contents = Dictionary(uniqueKeysWithValues: store.refs.map { ($0.name, store[$0] ?? 0) })
        if contents != server.objects { fail("the store has \(contents), the server \(server.objects)") }
    }

    private mutating func step() {
        announce(transition.change)
        pass(pause(transition.pause))
        requestCount += 1
        pass(Double.random(in: 0.005..<0.2, using: &random))
        switch transition.effect {
        case .list(let token): transition = list(token)
        case .streamList: transition = streamList()
        case .watch(let version, let isShort): transition = watch(version, isShort ? 30 : 290)
        case .read: fail("there is nothing to read from")
        }
    }

    private mutating func announce(_ change: WatcherMachine.StoreChange) {
        switch change {
        case .none: break
        case .beginList: store.beginList()
        case .commitList(let version):
            _ = store.commitList()
            known = Int(version) ?? 0
        }
    }

    private mutating func pause(_ pause: WatcherMachine.Pause) -> Double {
        guard pause != .none else { return 0 }
        var ceiling = 0.8
        for _ in 0..<failures where ceiling < 30 { ceiling *= 2 }
        failures += 1
        let backoff = Double.random(in: 0..<min(ceiling, 30), using: &random)
        if case .atLeast(let delay) = pause { return min(max(delay / .seconds(1), backoff), 60) }
        return backoff
    }

    /// The server changes while time passes.
    private mutating func pass(_ seconds: Double) {
        time += seconds
        guard !isQuiet else { return }
        for _ in 0..<min(Int(seconds) + 1, 4) where random.chance(0.3) { server.write(&random) }
        if random.chance(0.03) { server.compact() }
        if random.chance(0.01) { server.takeSnapshot() }
        if random.chance(0.01), server.restore() { isInterrupted = true }
    }

    // MARK: requests

    private mutating func fault(_ probability: Double) -> WatcherMachine.WatchFailure? {
        defer { isInterrupted = false }
        if isInterrupted { return .other }
        guard !isQuiet, random.chance(probability) else { return nil }
        let failures: [WatcherMachine.WatchFailure] = [
            .expired, .resourceVersionTooLarge, .badRequest, .throttled(retryAfter: nil),
            .throttled(retryAfter: .seconds(3)), .other, .other,
        ]
        return failures.randomElement(using: &random)
    }

    private mutating func list(_ token: String?) -> WatcherMachine.Transition {
        if let failure = fault(0.2) { return machine.advance(.failed(failure)) }
        if token == nil {
            let objects = server.objects.sorted { $0.key < $1.key }
            page = (server.version, objects.map { (name: $0.key, version: $0.value) })
        } else if page.version < server.oldestVersion || page.version > server.version {
            return machine.advance(.failed(.expired))
        }
        let start = token.flatMap { Int($0) } ?? 0
        for object in page.objects.dropFirst(start).prefix(2) { collect(object.name, object.version) }
        let next = start + 2 < page.objects.count ? "\(start + 2)" : nil
        return machine.advance(.page(resourceVersion: "\(page.version)", continueToken: next))
    }

    private mutating func streamList() -> WatcherMachine.Transition {
        guard supportsStreaming else { return machine.advance(.failed(.badRequest)) }
        let version = server.version
        for (name, value) in server.objects.sorted(by: { $0.key < $1.key }) {
            if let failure = fault(0.05) { return machine.advance(.failed(failure)) }
            collect(name, value)
            expectRead(machine.advance(.event(resourceVersion: "\(value)")))
        }
        if !isQuiet, random.chance(0.05) { return machine.advance(.ended(tooSoon: random.chance(0.5))) }
        let end = machine.advance(.bookmark(resourceVersion: "\(version)", initialEventsEnd: true))
        expectRead(end)
        announce(end.change)
        failures = 0
        return read(until: time + 290)
    }

    private mutating func watch(_ version: String, _ seconds: Double) -> WatcherMachine.Transition {
        if version != "\(known)" { fail("a watch begins at \(version), and the store is as of \(known)") }
        if let failure = fault(0.2) { return machine.advance(.failed(failure)) }
        if known < server.oldestVersion { return machine.advance(.failed(.expired)) }
        if known > server.version {
            if random.chance(0.3) { return machine.advance(.failed(.resourceVersionTooLarge)) }
            // The server accepts the watch, and has nothing to send.
            pass(seconds)
            return machine.advance(.ended(tooSoon: false))
        }
        return read(until: time + seconds)
    }

    /// Reads an open watch to its end.
    private mutating func read(until end: Double) -> WatcherMachine.Transition {
        let opened = time
        var isBookmarked = false
        while violation == nil {
            if let failure = fault(0.03) { return machine.advance(.failed(failure)) }
            for change in server.changes(after: known) { apply(change) }
            let isClosed = !isQuiet && random.chance(0.03)
            if isClosed || time >= end, isBookmarked || isClosed {
                return machine.advance(.ended(tooSoon: time - opened < 1))
            }
            if time >= end || random.chance(0.1) {
                isBookmarked = true
                known = max(known, server.version)
                failures = 0
                let bookmark = WatcherMachine.Input.bookmark(
                    resourceVersion: "\(known)", initialEventsEnd: false)
                expectRead(machine.advance(bookmark))
                continue
            }
            pass(Double.random(in: 0.05..<10, using: &random))
        }
        return transition
    }

    // MARK: objects

    private mutating func apply(_ change: WatchedServer.Change) {
        if change.version <= known { fail("version \(change.version) is applied after \(known)") }
        known = change.version
        failures = 0
        let ref = ObjectRef(namespace: "n", name: change.name)
        if change.isDeletion {
            _ = store.remove(ref)
        } else if case .buffered = store.apply(ref, change.version) {
            fail("an event of a watch is not visible")
        }
        expectRead(machine.advance(.event(resourceVersion: "\(change.version)")))
    }

    private mutating func collect(_ name: String, _ version: Int) {
        if case .visible = store.apply(ObjectRef(namespace: "n", name: name), version) {
            fail("a list is visible before its end")
        }
    }

    private mutating func expectRead(_ transition: WatcherMachine.Transition) {
        if transition.effect != .read { fail("an event leads to \(transition.effect)") }
    }

    private mutating func fail(_ problem: String) {
        if violation == nil { violation = "at \(time) s, in state \(machine.state): \(problem)" }
    }
}
