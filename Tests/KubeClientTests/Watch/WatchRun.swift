import HTTP
import System
import TestSupport

@testable import KubeClient

/// The events of a watcher's run as text, and its requests, pauses and final store.
struct WatchRun {
    let transport: FakeTransport
    let events: [String]
    let pauses: [Duration]
    let store: [String: Int]

    var lines: [String] { transport.requests.map(\.line) }
}

/// Runs a watcher against a server that answers by a script. Nothing waits; the pauses are recorded.
protocol WatcherSuite: Sendable {}

extension WatcherSuite {
    typealias Response = FakeTransport.Response

    /// Runs a watcher against `script` until it has emitted `count` events, and applies them to a store.
    func watch(
        _ script: [Response], until count: Int, streamingLists: Bool = false,
        credentials: any CredentialSource = StaticCredential.none, minimumDuration: Duration = .zero,
        progress: WatchProgress? = nil, maximumEventBytes: Int = 32 << 20
    ) async -> WatchRun {
        let transport = FakeTransport(script: script)
        let events = Recorder<String>()
        let pauses = Recorder<Duration>()
        let store = Store<Int> { "\($0)" }
        var options = WatcherOptions()
        options.minimumDuration = minimumDuration
        options.maximumEventBytes = maximumEventBytes
        options.watchSeconds = 270...270
        options.sleep = { pauses.append($0) }
        let watcher = Watcher<Widget>(
            KubeClient(transport, credentials: credentials), Selection(namespace: "n", labelSelector: "a=b"),
            options: options, streamingLists: streamingLists, progress: progress)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await watcher.run { event in events.append(words(event, store)) }
            }
            await events.wait(for: count)
            // Superfluous events would arrive now.
            for _ in 0..<50 { await Task.yield() }
            group.cancelAll()
        }
        let contents = Dictionary(uniqueKeysWithValues: store.refs.map { ($0.name, store[$0] ?? 0) })
        return WatchRun(
            transport: transport, events: events.elements, pauses: pauses.elements, store: contents)
    }

    func widget(_ name: String, _ version: Int, size: Int = 1, note: String = "") -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)","annotations":{"note":"\#(note)"}},"#
            + #""spec":{"size":\#(size)}}"#
    }

    func list(_ version: Int, _ items: [String], token: String = "") -> Response {
        Response(
            200,
            #"{"metadata":{"resourceVersion":"\#(version)","continue":"\#(token)"},"items":["#
                + items.joined(separator: ",") + "]}")
    }

    func event(_ type: String, _ object: String) -> String {
        #"{"type":"\#(type)","object":\#(object)}"# + "\n"
    }

    func bookmark(_ version: Int, end: Bool = false) -> String {
        let annotations = end ? #","annotations":{"k8s.io/initial-events-end":"true"}"# : ""
        return event("BOOKMARK", #"{"metadata":{"resourceVersion":"\#(version)"\#(annotations)}}"#)
    }

    func error(_ code: Int, _ reason: String) -> String {
        event("ERROR", #"{"kind":"Status","code":\#(code),"reason":"\#(reason)","message":"m"}"#)
    }
}

private func words(_ event: WatcherEvent<Widget>, _ store: Store<Int>) -> String {
    let seen = { store.refs.map(\.name).sorted().joined() }
    switch event {
    case .initStarted:
        store.beginList()
        return "initStarted [\(seen())]"
    case .applied(.object(let widget)):
        _ = store.apply(widget.metadata.ref, widget.spec.size)
        return "applied \(widget.metadata.name)=\(widget.spec.size)"
    case .applied(.malformed(let metadata, _, let problem)):
        return "malformed \(metadata.name): \(problem)"
    case .deleted(let metadata):
        _ = store.remove(metadata.ref)
        return "deleted \(metadata.name)"
    case .initDone(let version):
        _ = store.commitList()
        return "initDone \(version) [\(seen())]"
    case .interrupted(let error):
        return "interrupted \(error.code.rawValue)"
    case .resumed:
        return "resumed"
    case .unreadable(let problem):
        return "unreadable \(problem.rawValue)"
    }
}
