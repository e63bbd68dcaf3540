import Foundation
import HTTP
import HTTPTypes
import System
import TestSupport

/// The controller's transport to the API server, which records requests and responses and can hold requests.
final class RecordingTransport: HTTPTransport {
    struct Request: Sendable, Equatable {
        let method: String
        /// The path without the query.
        let path: String
        let query: String
        /// The status of the response, or nil while there is none.
        var status: Int?

        var isWatch: Bool { query.contains("watch=true") }
        /// True for a write that is no event; events are sent when there is time.
        var isWrite: Bool { method != "GET" && !path.contains("/events") }
        /// Returns true for a list, or a page of one.
        func isList(of plural: String) -> Bool {
            method == "GET" && path.hasSuffix("/\(plural)") && !isWatch
        }
    }

    /// Holds the requests that it selects until it is opened.
    final class Gate: Sendable {
        private let state: Locked<(isOpen: Bool, held: Int)>
        fileprivate let picks: @Sendable (Request) -> Bool

        init(isOpen: Bool = false, _ picks: @escaping @Sendable (Request) -> Bool) {
            self.picks = picks
            state = Locked((isOpen, 0))
        }

        var held: Int { state.withLock { $0.held } }
        func open() { state.withLock { $0.isOpen = true } }
        func close() { state.withLock { $0.isOpen = false } }

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
    private let bodyGates = Locked<[Gate]>([])
    private let streamsLists = Locked(false)

    init(_ configuration: HTTPClientConfiguration) { next = CurlClient(configuration) }

    var requests: [Request] { log.withLock { $0 } }
    func count(_ picks: (Request) -> Bool) -> Int { requests.count(where: picks) }
    var writes: Int { count(\.isWrite) }

    /// Holds later requests that `picks` selects.
    func hold(_ picks: @escaping @Sendable (Request) -> Bool) -> Gate {
        let gate = Gate(picks)
        gates.withLock { $0.append(gate) }
        return gate
    }

    /// Holds the response bodies of the requests that `picks` selects while the gate, which is open at first, is closed.
    func holdBodies(_ picks: @escaping @Sendable (Request) -> Bool) -> Gate {
        let gate = Gate(isOpen: true, picks)
        bodyGates.withLock { $0.append(gate) }
        return gate
    }

    /// From now on, watches with `sendInitialEvents` get responses as from Kubernetes 1.32 and later (KEP-3157), whatever
    /// the server supports.
    func streamLists() { streamsLists.withLock { $0 = true } }

    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest, _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        let (index, entry) = remember(request)
        for gate in gates.withLock({ $0 }) where gate.picks(entry) { try await gate.pass() }
        var request = request
        var beginning: [UInt8] = []
        if streamsLists.withLock({ $0 }), entry.query.contains("sendInitialEvents=true") {
            (request, beginning) = try await StreamedList.begin(request, through: next)
        }
        let held = bodyGates.withLock { $0 }.filter { $0.picks(entry) }
        return try await next.withResponse(to: request) { head, body in
            log.withLock { $0[index].status = head.status.code }
            guard !held.isEmpty || !beginning.isEmpty else { return try await handler(head, body) }
            let (chunks, source) = AsyncStream<[UInt8]>.makeStream()
            if !beginning.isEmpty { source.yield(beginning) }
            // `async let` ends it with this scope.
            async let _: Void = Self.relay(body, through: held, to: source)
            return try await handler(head, HTTPBody(chunks: chunks))
        }
    }

    /// An interrupted body simply ends, which is enough to make a watch restart.
    private static func relay(
        _ body: HTTPBody, through gates: [Gate], to source: AsyncStream<[UInt8]>.Continuation
    ) async {
        defer { source.finish() }
        var chunks = body.makeAsyncIterator()
        while let chunk = try? await chunks.next() {
            for gate in gates {
                guard (try? await gate.pass()) != nil else { return }
            }
            source.yield(chunk)
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

/// Builds the events of a server that streams lists from a list and a watch of a server that does not.
enum StreamedList {
    private struct Malformed: Error {}

    /// Returns the watch to continue with, and the bytes before its events: an event for each object, and the bookmark that ends
    /// the list.
    static func begin(
        _ request: HTTPClientRequest, through transport: CurlClient
    ) async throws -> (HTTPClientRequest, [UInt8]) {
        var parts = URLComponents(string: request.url)
        let all = parts?.queryItems ?? []
        parts?.queryItems = all.filter { $0.name == "labelSelector" }
        var list = request
        list.url = parts?.string ?? request.url
        list.mode = .unary
        list.timeout = .seconds(30)
        list.idleTimeout = nil
        list.fields[.accept] = request.fields[.accept]?.replacingOccurrences(
            of: "as=PartialObjectMetadata;", with: "as=PartialObjectMetadataList;")
        let (_, body) = try await transport.send(list, upTo: 64 << 20)
        guard let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
            let version = (object["metadata"] as? [String: Any])?["resourceVersion"] as? String
        else { throw Malformed() }
        var lines = Data()
        func add(_ type: String, _ object: Any) throws {
            lines += try JSONSerialization.data(
                withJSONObject: ["type": type, "object": object], options: .sortedKeys)
            lines.append(0x0A)
        }
        for item in object["items"] as? [Any] ?? [] { try add("ADDED", item) }
        let metadata: [String: Any] = [
            "resourceVersion": version, "annotations": ["k8s.io/initial-events-end": "true"],
        ]
        try add("BOOKMARK", ["metadata": metadata])
        parts?.queryItems =
            all.filter { $0.name != "sendInitialEvents" && $0.name != "resourceVersionMatch" }
            + [URLQueryItem(name: "resourceVersion", value: version)]
        var watch = request
        watch.url = parts?.string ?? request.url
        return (watch, Array(lines))
    }
}
