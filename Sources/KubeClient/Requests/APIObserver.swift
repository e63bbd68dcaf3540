import HTTPTypes

/// Is told of every request to the API server, repetitions among them. Called on the way of the request: it must
/// not wait. Safe to call from any task.
package protocol APIObserver: Sendable {
    func requestCompleted(_ request: APIRequestRecord)
}

/// A request as its observer sees it.
package struct APIRequestRecord: Sendable {
    package enum Outcome: Sendable {
        /// HTTP status of the answer.
        case responded(Int)
        /// There was none.
        case failed(KubeError.Code)
    }

    /// As RBAC has it: get, list, watch, create, update, patch, delete.
    package let verb: String
    /// The plural, with the subresource: `wrappedsecrets/status`.
    package let resource: String
    package let outcome: Outcome
    /// Until the answer began: a watch then goes on.
    package let duration: Duration
}

/// A request that is under way.
struct RequestTiming: Sendable {
    private let call: KubeClient.Request
    private let observer: (any APIObserver)?
    private let start = ContinuousClock.now

    init(_ call: KubeClient.Request, _ observer: (any APIObserver)?) {
        self.call = call
        self.observer = observer
    }

    func complete(_ outcome: APIRequestRecord.Outcome) {
        guard let observer else { return }
        let (verb, resource) = call.verbAndResource
        observer.requestCompleted(
            APIRequestRecord(
                verb: verb, resource: resource, outcome: outcome, duration: ContinuousClock.now - start))
    }
}

extension KubeClient.Request {
    /// Read back from the path, which `Resource` made: no name of an object is in them.
    var verbAndResource: (verb: String, resource: String) {
        var parts = path.split(separator: "/").map(String.init)[...]
        // /api/<version> or /apis/<group>/<version>
        parts = parts.dropFirst(parts.first == "apis" ? 3 : 2)
        // "namespaces" is a resource, too, when nothing stands below the name.
        if parts.first == "namespaces", parts.count > 2 { parts = parts.dropFirst(2) }
        let resource = ([parts.first ?? "other"] + parts.dropFirst(2)).joined(separator: "/")
        let verb =
            switch method {
            case .post: "create"
            case .put: "update"
            case .patch: "patch"
            case .delete: "delete"
            default:
                if parts.count > 1 {
                    "get"
                } else {
                    query.contains { $0 == ("watch", "true") } ? "watch" : "list"
                }
            }
        return (verb, resource)
    }
}
