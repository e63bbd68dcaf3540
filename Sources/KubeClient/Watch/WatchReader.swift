import FoundationEssentials
import HTTP
import HTTPTypes

/// Reads the lines of one open watch and tells the machine and the reader of each.
struct WatchReader<Object: KubeObject>: Sendable {
    /// What is left when the watch is over.
    struct Outcome: Sendable {
        var machine: WatcherMachine
        /// What comes next, if the watch said so itself.
        var next: WatcherMachine.Step?
        /// Whether it brought anything at all.
        var heard = false
        var failure: KubeError?
    }

    /// An object is at most 1.5 MiB (etcd's request limit), twice that with the fields of two versions.
    private static var maximumLine: Int { 8 * 1024 * 1024 }

    let machine: WatcherMachine
    let emit: @Sendable (WatcherEvent<Object>) async -> Void

    func read(_ body: HTTPBody) async -> Outcome {
        var outcome = Outcome(machine: machine)
        let activity = "watching \(Object.resource.plural)"
        var framer = LineFramer(maximumLength: Self.maximumLine)
        do {
            for try await chunk in body {
                for line in try framer.append(chunk) where !line.isEmpty {
                    await take(line, &outcome)
                    if outcome.next != nil { return outcome }
                }
            }
            if let line = framer.finish() { await take(line, &outcome) }
        } catch {
            let code: KubeError.Code = error.code == .cancelled ? .cancelled : .transport
            fail(KubeError(code, activity: activity, message: error.description), &outcome)
        }
        return outcome
    }

    private func take(_ line: [UInt8], _ outcome: inout Outcome) async {
        let event: WatchEvent<Object>
        do {
            event = try JSONDecoder().decode(WatchEvent<Object>.self, from: Data(line))
        } catch {
            let problem = (error as? DecodingError)?.oneLine ?? "it is not JSON"
            fail(
                KubeError(
                    .malformedResponse, activity: "watching \(Object.resource.plural)",
                    message: "an event is malformed: \(problem)"), &outcome)
            return
        }
        if case .error = event {} else { outcome.heard = true }
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
        }
    }

    private func proceed(_ input: WatcherMachine.Input, _ outcome: inout Outcome) async {
        let step = outcome.machine.advance(input)
        guard step.effect == .read else {
            outcome.next = step
            return
        }
        if case .commit(let version) = step.change { await emit(.committed(resourceVersion: version)) }
    }

    private func fail(_ error: KubeError, _ outcome: inout Outcome) {
        outcome.failure = error
        outcome.next = outcome.machine.advance(.failed(WatcherMachine.Failure(error)))
    }
}

extension WatcherMachine.Failure {
    init(_ error: KubeError) {
        switch error.code {
        case _ where error.isResourceVersionTooLarge: self = .fromTheFuture
        case .expired: self = .expired
        case .invalid, .badRequest: self = .unsupported
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
            Call(
                method: .get, path: resource.path(namespace: selection.namespace),
                query: selection.query + query,
                accept: Object.metadataOnly ? MediaType.metadata : MediaType.json,
                activity: "watching \(resource.plural)"),
            lane: .streaming, idleTimeout: idleTimeout, handler)
    }
}
