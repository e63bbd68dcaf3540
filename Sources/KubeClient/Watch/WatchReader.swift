import HTTP
import HTTPTypes
import JSON

/// Reads the lines of one open watch and tells the machine and the reader of each.
struct WatchReader<Object: KubeObject>: Sendable {
    /// What is left when the watch is over.
    struct Outcome: Sendable {
        var machine: WatcherMachine
        /// What comes next, if the watch said so itself.
        var next: WatcherMachine.Transition?
        /// Whether it brought anything at all.
        var receivedEvent = false
        var failure: KubeError?
    }

    let machine: WatcherMachine
    let progress: WatchProgress?
    let slot: WatchStartPermit?
    let maximumLine: Int
    let emit: @Sendable (WatcherEvent<Object>) async -> Void

    func read(_ body: HTTPBody) async -> Outcome {
        var outcome = Outcome(machine: machine)
        let activity = "watching \(Object.resource.plural)"
        var framer = LineFramer(maximumLength: maximumLine)
        do {
            for try await chunk in body {
                for line in framer.append(chunk) where line != .complete([]) {
                    await take(WatchLine(line), &outcome)
                    if outcome.next != nil { return outcome }
                }
            }
            // An event that is not complete comes again: the watch goes on from the version before it.
            if case .complete(let bytes)? = framer.finish(),
                let event = try? JSONReader.read(WatchEvent<Object>.self, from: bytes)
            {
                await take(event, &outcome)
            }
        } catch {
            fail(
                KubeError(KubeError.Code(error.code), activity: activity, message: error.description),
                &outcome)
        }
        return outcome
    }

    private func take(_ line: WatchLine<Object>, _ outcome: inout Outcome) async {
        switch line {
        case .event(let event): await take(event, &outcome)
        case .unreadable(let problem, let version):
            await emit(.unreadable(problem))
            if let version {
                outcome.receivedEvent = true
                await proceed(.event(resourceVersion: version), &outcome)
            }
        }
    }

    private func take(_ event: WatchEvent<Object>, _ outcome: inout Outcome) async {
        if case .error = event {} else { outcome.receivedEvent = true }
        switch event {
        case .added(let object), .modified(let object):
            await emit(.applied(object))
            await proceed(.event(resourceVersion: object.metadata.resourceVersion ?? ""), &outcome)
        case .deleted(let object):
            await emit(.deleted(object.metadata))
            await proceed(.event(resourceVersion: object.metadata.resourceVersion ?? ""), &outcome)
        case .bookmark(let version, let end):
            await proceed(.bookmark(resourceVersion: version, initialEventsEnd: end), &outcome)
        case .error(let status):
            fail(
                KubeError(
                    httpStatus: status.code ?? 500, retryAfter: nil, status: status,
                    activity: "watching \(Object.resource.plural)"), &outcome)
        case .unknown: break
        }
    }

    private func proceed(_ input: WatcherMachine.Input, _ outcome: inout Outcome) async {
        let step = outcome.machine.advance(input)
        guard step.effect == .read else {
            outcome.next = step
            return
        }
        // What a streamed list brings before its end is not progress: it may never end.
        if case .watching = outcome.machine.state { progress?.recordProgress() }
        if case .commitList(let version) = step.change {
            slot?.release()
            await emit(.initDone(resourceVersion: version))
        }
    }

    private func fail(_ error: KubeError, _ outcome: inout Outcome) {
        outcome.failure = error
        outcome.next = outcome.machine.advance(.failed(WatcherMachine.WatchFailure(error)))
    }
}

extension WatcherMachine.WatchFailure {
    init(_ error: KubeError) {
        switch error.code {
        case _ where error.isResourceVersionTooLarge: self = .resourceVersionTooLarge
        case .expired: self = .expired
        case .invalid, .badRequest: self = .badRequest
        case .tooManyRequests: self = .throttled(retryAfter: error.retryAfter)
        default: self = .other
        }
    }
}

extension KubeClient {
    /// Opens a watch on a connection of its own. `handler` reads it; the watch ends when it returns.
    func watch<Object: KubeObject, Result: Sendable>(
        _ type: Object.Type, _ selection: Selection, _ query: [(String, String)], idleTimeout: Duration,
        _ handler: @Sendable (HTTPBody) async -> Result
    ) async throws(KubeError) -> Result {
        let resource = Object.resource
        return try await connection.open(
            Request(
                method: .get, path: resource.path(namespace: selection.namespace),
                query: selection.query + query,
                accept: Object.isMetadataOnly ? MediaType.metadata : MediaType.json,
                activity: "watching \(resource.plural)"),
            lane: .streaming, idleTimeout: idleTimeout, handler)
    }
}
