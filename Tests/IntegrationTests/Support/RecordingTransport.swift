import HTTP
import HTTPTypes
import Primitives

/// The controller's way to the API server: remembers what was asked and answered, and holds requests back.
final class RecordingTransport: HTTPTransport {
    struct Request: Sendable, Equatable {
        let method: String
        /// Without the query.
        let path: String
        let query: String
        /// The status of the answer; nil while there is none.
        var status: Int?

        var isWatch: Bool { query.contains("watch=true") }
        /// Events aside, which are sent when there is time.
        var isWrite: Bool { method != "GET" && !path.contains("/events") }
        /// A list, or a page of one.
        func isList(of plural: String) -> Bool {
            method == "GET" && path.hasSuffix("/\(plural)") && !isWatch
        }
    }

    /// Holds the requests it picks until it is opened.
    final class Gate: Sendable {
        private let state: Locked<(isOpen: Bool, held: Int)>
        fileprivate let picks: @Sendable (Request) -> Bool

        init(_ picks: @escaping @Sendable (Request) -> Bool) {
            self.picks = picks
            state = Locked((false, 0))
        }

        var held: Int { state.withLock { $0.held } }
        func open() { state.withLock { $0.isOpen = true } }

        fileprivate func pass() async throws {
            guard !state.withLock({ $0.isOpen }) else { return }
            state.withLock { $0.held += 1 }
            defer { state.withLock { $0.held -= 1 } }
            while !state.withLock({ $0.isOpen }) { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    private let next: CurlClient
    private let log = Locked<[Request]>([])
    private let gates = Locked<[Gate]>([])

    init(_ configuration: HTTPClientConfiguration) { next = CurlClient(configuration) }

    var requests: [Request] { log.withLock { $0 } }
    func count(_ picks: (Request) -> Bool) -> Int { requests.count(where: picks) }
    var writes: Int { count(\.isWrite) }

    /// From now on.
    func hold(_ picks: @escaping @Sendable (Request) -> Bool) -> Gate {
        let gate = Gate(picks)
        gates.withLock { $0.append(gate) }
        return gate
    }

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        let (index, entry) = remember(request)
        for gate in gates.withLock({ $0 }) where gate.picks(entry) { try await gate.pass() }
        return try await next.withResponse(to: request) { head, body in
            log.withLock { $0[index].status = head.status.code }
            return try await handler(head, body)
        }
    }

    private func remember(_ request: HTTPClientRequest) -> (Int, Request) {
        let parts = request.url.split(separator: "?", maxSplits: 1)
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst(3)
        let entry = Request(
            method: request.method.rawValue, path: "/" + path.joined(separator: "/"),
            query: parts.count == 2 ? String(parts[1]) : "")
        return log.withLock { log in
            log.append(entry)
            return (log.count - 1, entry)
        }
    }
}
