import HTTP
import HTTPTypes
import JSON

/// Reads the lines of one open watch and passes each to the state machine and to the watcher's reader.
struct WatchReader<Object: KubeObject>: Sendable {
    struct Outcome: Sendable {
        var machine: WatcherMachine
        /// The next transition, if an event determined it and not the end of the stream.
        var next: WatcherMachine.Transition?
        var receivedEvent = false
        var failure: KubeError?
    }

    let machine: WatcherMachine
    let progress: WatchProgress?
    let permit: WatchStartPermit?
    let maximumEventBytes: Int
    let emit: @Sendable (WatcherEvent<Object>) async -> Void

    func read(_ body: HTTPBody) async -> Outcome {
        var outcome = Outcome(machine: machine)
        let activity = "watching \(Object.resource.plural)"
        var framer = LineFramer(maximumLength: maximumEventBytes)
        do {
            for try await chunk in body {
                for line in framer.append(chunk) where line != .complete([]) {
                    await process(WatchLine(line), &outcome)
                    if outcome.next != nil { return outcome }
                }
            }
            // A truncated event is dropped. The next watch begins before it, so the server sends it again.
            if case .complete(let bytes)? = framer.finish(),
                let event = try? JSONReader.read(WatchEvent<Object>.self, from: bytes)
            {
                await process(event, &outcome)
            }
        } catch {
            fail(
                KubeError(KubeError.Code(error.code), activity: activity, message: error.description),
                &outcome)
        }
        return outcome
    }

    private func process(_ line: WatchLine<Object>, _ outcome: inout Outcome) async {
        switch line {
        case .event(let event): await process(event, &outcome)
        case .unreadable(let problem, let version):
            await emit(.unreadable(problem))
            if let version {
                outcome.receivedEvent = true
                await advance(.event(resourceVersion: version), &outcome)
            }
        }
    }

    private func process(_ event: WatchEvent<Object>, _ outcome: inout Outcome) async {
        if case .error = event {} else { outcome.receivedEvent = true }
        switch event {
        case .added(let object), .modified(let object):
            await emit(.applied(object))
            await advance(.event(resourceVersion: object.metadata.resourceVersion ?? ""), &outcome)
        case .deleted(let object):
            await emit(.deleted(object.metadata))
            await advance(.event(resourceVersion: object.metadata.resourceVersion ?? ""), &outcome)
        case .bookmark("", true):
            fail(.listWithoutVersion(Object.self), &outcome)
        case .bookmark(let version, let end):
            await advance(.bookmark(resourceVersion: version, initialEventsEnd: end), &outcome)
        case .error(let status):
            fail(
                KubeError(
                    httpStatus: status.code ?? 500, retryAfter: nil, status: status,
                    activity: "watching \(Object.resource.plural)"), &outcome)
        case .unknown: break
        }
    }

    private func advance(_ input: WatcherMachine.Input, _ outcome: inout Outcome) async {
        let transition = outcome.machine.advance(input)
        guard transition.effect == .read else {
            outcome.next = transition
            return
        }
        // Events of a streamed list are not progress before its end, which may never come.
        if case .watching = outcome.machine.state { progress?.recordProgress() }
        if case .commitList(let version) = transition.change {
            permit?.release()
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

extension KubeError {
    /// The error of a list, streamed or not, from which no watch can continue.
    static func listWithoutVersion<Object: KubeObject>(_ type: Object.Type) -> KubeError {
        KubeError(
            .malformedResponse, activity: "listing \(Object.resource.plural)",
            message: "the list has no resourceVersion")
    }
}

extension KubeClient {
    /// Opens a watch on its own connection. The watch ends when `handler` returns.
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
            mode: .streaming, idleTimeout: idleTimeout, handler)
    }
}
