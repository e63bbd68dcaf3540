import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// Writes of this process and of others, with responses and events in every order that a server can produce.
@Suite struct WriteExpectationsPropertyTests {
    @Test func theNewestSecretIsTheWrittenOneUntilTheWatchHasShownIt() async {
        let violation = await PropertyRun.violation(seeds: 100) { random in
            var model = WrittenSecret()
            for step in 0..<80 {
                model.act(&random)
                if let problem = model.problem { return "step \(step): \(problem)" }
            }
            model.finish()
            return model.problem
        }
        #expect(violation == nil)
    }

    @Test func aStatusIsExpectedUntilTheWatchHasShownIt() async {
        let violation = await PropertyRun.violation(seeds: 100) { random in
            let writes = WriteExpectations()
            let ref = ObjectRef(namespace: "n", name: "a")
            var (version, position, written) = (10, 10, 0)
            var response: Int?
            var events: [ObjectMeta] = []
            func object(_ name: String, _ version: Int) -> ObjectMeta {
                ObjectMeta(name: name, namespace: "n", uid: "u", resourceVersion: "\(version)")
            }
            writes.observeObjectList(upTo: "\(version)")
            for step in 0..<80 {
                switch random.number(0..<6) {
                case 0:
                    version += random.number(1..<4)
                    events.append(object("other", version))
                case 1 where response == nil:
                    version += random.number(1..<4)
                    events.append(object("a", version))
                    response = version
                case 2:
                    guard let received = response else { continue }
                    var status = WrappedSecretStatus()
                    status.keyID = "\(received)"
                    writes.complete(status: status, on: object("a", received))
                    (written, response) = (received, nil)
                case 3, 4:
                    guard !events.isEmpty else { continue }
                    let event = events.removeFirst()
                    position = event.resourceVersion.flatMap { Int($0) } ?? 0
                    writes.observe(object: event)
                default:
                    guard random.chance(0.2) else { continue }
                    (position, events) = (version, [])
                    writes.observeObjectList(upTo: "\(version)")
                }
                let found = writes.expectedStatus(ref)?.status.keyID
                let expected = position < written ? "\(written)" : nil
                if found != expected { return "step \(step): \(found ?? "no") status at \(position)" }
            }
            return nil
        }
        #expect(violation == nil)
    }
}

/// A Secret that two objects of this process and others write and delete, and a watch that is behind.
private struct WrittenSecret {
    private struct Request {
        /// The version that the write has led to, or nil if it fails.
        let version: Int?
        var isRestored = false
    }

    private let writes = WriteExpectations()
    private let ref = ObjectRef(namespace: "n", name: "s")
    private var version = 100
    /// The version of the Secret on the server and in the cache, or nil if it does not exist there.
    private var stored: Int?
    private var cached: Int?
    private var events: [(version: Int, exists: Bool)] = []
    /// The version that the watch has reached.
    private var position = 100
    private var requests: [Request] = []
    /// The version of the last write, unless one has failed since.
    private var written: Int?

    init() {
        writes.observeSecretList(upTo: "\(version)")
    }

    mutating func act(_ random: inout SeededGenerator) {
        switch random.number(0..<10) {
        case 0, 1: change(exists: true, by: random.number(1..<4))
        case 2: if stored != nil { change(exists: false, by: random.number(1..<4)) }
        case 3: begin(fails: random.chance(0.2), by: random.number(1..<4))
        case 4, 5: respond(random.number(0..<2))
        case 6, 7, 8: showEvent()
        default: if random.chance(0.3) { list(isRestored: random.chance(0.3)) }
        }
    }

    /// Lets the requests end and the watch catch up.
    mutating func finish() {
        while !requests.isEmpty { respond(0) }
        while !events.isEmpty { showEvent() }
    }

    var problem: String? {
        let newest = writes.newestSecret(ref, cached: cached.map(secret))?.resourceVersion
        var expected = cached
        if let written, position < written { expected = written }
        guard newest != expected.map({ "\($0)" }) else { return nil }
        return "\(newest ?? "nothing") and not \(expected ?? 0), at \(position), requests \(requests)"
    }

    private func secret(_ version: Int) -> ObjectMeta {
        ObjectMeta(name: "s", namespace: "n", uid: "u", resourceVersion: "\(version)")
    }

    private mutating func change(exists: Bool, by count: Int) {
        version += count
        stored = exists ? version : nil
        events.append((version, exists))
    }

    private mutating func begin(fails: Bool, by count: Int) {
        guard requests.count < 2 else { return }
        writes.begin(secret: ref)
        if !fails { change(exists: true, by: count) }
        // During a restore, no write is expected, be it from before or after it.
        requests.append(
            Request(version: fails ? nil : version, isRestored: requests.contains { $0.isRestored }))
    }

    private mutating func respond(_ index: Int) {
        guard requests.indices.contains(index) else { return }
        let request = requests.remove(at: index)
        if let version = request.version {
            writes.complete(secret: secret(version))
            if !request.isRestored { written = max(written ?? 0, version) }
        } else {
            writes.cancel(secret: ref)
            written = nil
        }
    }

    private mutating func showEvent() {
        guard !events.isEmpty else { return }
        let event = events.removeFirst()
        (cached, position) = (event.exists ? event.version : nil, event.version)
        writes.observe(secret: secret(event.version))
    }

    /// - Parameter isRestored: True if etcd was restored before. All clients notice that by a new list.
    private mutating func list(isRestored: Bool) {
        if isRestored {
            version = position - 7
            stored = stored == nil ? nil : version
            written = nil
            for index in requests.indices { requests[index].isRestored = true }
        }
        events = []
        (cached, position) = (stored, version)
        writes.observeSecretList(upTo: "\(version)")
    }
}
