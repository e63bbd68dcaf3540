import HTTP
import HTTPTypes
import System

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

    /// From now on.
    func hold(_ picks: @escaping @Sendable (Request) -> Bool) -> Gate {
        let gate = Gate(picks)
        gates.withLock { $0.append(gate) }
        return gate
    }

    /// Holds back what comes in the answers that `picks` picks, while the gate, which is open at first, is closed.
    func holdBodies(_ picks: @escaping @Sendable (Request) -> Bool) -> Gate {
        let gate = Gate(isOpen: true, picks)
        bodyGates.withLock { $0.append(gate) }
        return gate
    }

    /// From now on, watches with `sendInitialEvents` are answered as Kubernetes 1.32 and later do (KEP-3157), whatever
    /// the server can.
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
            // Ends with this scope.
            async let _: Void = Self.relay(body, through: held, to: source)
            return try await handler(head, HTTPBody(chunks: chunks))
        }
    }

    /// A body that breaks off ends: that is enough for a watch to begin again.
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
