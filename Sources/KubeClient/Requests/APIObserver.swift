import HTTPTypes

/// Observes every request to the API server, including retries. Called on the path of the request, so that it must not
/// block. Safe to call from any task.
package protocol APIObserver: Sendable {
    func requestCompleted(_ request: APIRequestRecord)
}

/// A request as its observer sees it.
package struct APIRequestRecord: Sendable {
    package enum Outcome: Sendable {
        /// The HTTP status of the response.
        case responded(Int)
        /// There was no response.
        case failed(KubeError.Code)
    }

    /// The verb of RBAC: get, list, watch, create, update, patch or delete.
    package let verb: String
    /// The plural, with the subresource: `wrappedsecrets/status`.
    package let resource: String
    package let outcome: Outcome
    /// The time to the head of the response, after which a watch continues.
    package let duration: Duration
}

/// Measures a request that is in progress.
struct RequestTiming: Sendable {
    let request: KubeClient.Request
    let observer: (any APIObserver)?
    private let start = ContinuousClock.now

    func complete(_ outcome: APIRequestRecord.Outcome) {
        guard let observer else { return }
        let (verb, resource) = request.verbAndResource
        observer.requestCompleted(
            APIRequestRecord(
                verb: verb, resource: resource, outcome: outcome, duration: ContinuousClock.now - start))
    }
}

extension KubeClient.Request {
    /// True if the body may hold the values of a Secret.
    var writesSecret: Bool { verbAndResource.resource == "secrets" }

    /// The verb and the resource, parsed from the path that `Resource` built. They contain no name of an object.
    var verbAndResource: (verb: String, resource: String) {
        // By bytes: characters would be compared as Unicode, for two requests of each object.
        var parts = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }[...]
        // The path begins with /api/<version> or /apis/<group>/<version>.
        parts = parts.dropFirst(parts.first == "apis" ? 3 : 2)
        // Without a further part after the name, "namespaces" is the resource itself.
        if parts.first == "namespaces", parts.count > 2 { parts = parts.dropFirst(2) }
        var resource = parts.first.map(String.init) ?? "other"
        for subresource in parts.dropFirst(2) { resource += "/" + subresource }
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
