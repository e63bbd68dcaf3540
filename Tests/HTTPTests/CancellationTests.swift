import HTTPTypes
import System
import TestSupport
import Testing

@testable import HTTP

/// Cancellation ends a transaction at once in every phase, for the client and the server.
@Suite(.timeLimit(.minutes(5)))
struct CancellationTests {
    private let client = CurlClient(HTTPClientConfiguration(trust: .insecure), environment: [:])
    private static let modes = [HTTPClientRequest.TransferMode.unary, .streaming]

    /// Cancels a task that runs `body` once `phase` is raised, and checks that it throws `.cancelled`. Without cancellation
    /// none of the tasks would end within the time limit of a test.
    private func expectCancelled(
        when phase: Signal?, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let task = Task(operation: body)
        if let phase { try await phase.wait() }
        task.cancel()
        let error = await #expect(throws: HTTPError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test(arguments: modes)
    func cancelsBeforeTheRequestStarts(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try FakeServer.responding { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }
        let client = client
        try await expectCancelled(when: nil) {
            withUnsafeCurrentTask { $0?.cancel() }
            _ = try await client.send(HTTPClientRequest(url: server.url, mode: mode, timeout: nil), upTo: 0)
        }
        #expect(server.connectionCount == 0)
    }

    @Test(arguments: modes)
    func cancelsBeforeThePoolAcceptsTheTransaction(mode: HTTPClientRequest.TransferMode) async throws {
        // The transaction is cancelled before it is submitted, so that the pool's thread has not seen it.
        let settings = ClientSettings(HTTPClientConfiguration(), environment: [:])
        let plan = try TransferPlan(
            HTTPClientRequest(url: "http://127.0.0.1:1", mode: mode, timeout: nil), settings)
        let pool = try ConnectionPool(mode, settings.configuration)
        defer { pool.close() }
        let cancelled = StreamingTransaction(plan, on: pool)
        cancelled.cancel()
        let error = await #expect(throws: HTTPError.self) { try await cancelled.head() }
        #expect(error?.code == .cancelled)
    }

    @Test(arguments: modes)
    func cancelsWhileConnecting(mode: HTTPClientRequest.TransferMode) async throws {
        let accepted = Signal()
        let closed = Signal()
        // The server never answers the TLS handshake.
        let server = try FakeServer { connection in
            accepted.raise()
            connection.waitForClose()
            closed.raise()
        }
        let client = client
        try await expectCancelled(when: accepted) {
            let request = HTTPClientRequest(url: "https://127.0.0.1:\(server.port)", mode: mode, timeout: nil)
            _ = try await client.send(request, upTo: 0)
        }
        try await closed.wait()
    }

    @Test func cancelsWhileWaitingForAConnection() async throws {
        let asked = Signal()
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            asked.raise()
            connection.waitForClose()
        }
        let client = CurlClient(HTTPClientConfiguration(maximumConnectionsPerHost: 1), environment: [:])
        let url = server.url
        let first = Task { try await client.send(HTTPClientRequest(url: url, timeout: nil), upTo: 0) }
        try await asked.wait()
        try await expectCancelled(when: nil) {
            _ = try await client.send(HTTPClientRequest(url: url, timeout: nil), upTo: 0)
        }
        #expect(server.connectionCount == 1)
        first.cancel()
        _ = await first.result
    }

    @Test(arguments: modes, ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    func cancelsBeforeOrDuringTheResponse(mode: HTTPClientRequest.TransferMode, start: String) async throws {
        let asked = Signal()
        let closed = Signal()
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send(start)
            asked.raise()
            connection.waitForClose()
            closed.raise()
        }
        let client = client
        try await expectCancelled(when: asked) {
            _ = try await client.send(HTTPClientRequest(url: server.url, mode: mode, timeout: nil), upTo: 10)
        }
        try await closed.wait()
    }

    @Test func returnsACompleteResponseDespiteCancellation() async throws {
        let server = try FakeServer.responding { _ in "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }
        for mode in Self.modes {
            let client = client
            let task = Task {
                try await client.withResponse(
                    to: HTTPClientRequest(url: server.url, mode: mode, timeout: nil)
                ) {
                    head, body in
                    let bytes = try await body.collect(upTo: 2)
                    withUnsafeCurrentTask { $0?.cancel() }
                    return bytes
                }
            }
            #expect(try await task.value == Array("ok".utf8))
        }
    }

    @Test func cancelsOneRequestWithoutAffectingOthers() async throws {
        let server = try FakeServer { connection in
            while let request = connection.readRequest() {
                if request.line.contains("/hang") { return connection.waitForClose() }
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let client = CurlClient(HTTPClientConfiguration(maximumConnectionsPerHost: 50), environment: [:])
        let hanging = (0..<20).map { _ in
            Task {
                try await client.send(HTTPClientRequest(url: "\(server.url)/hang", timeout: nil), upTo: 0)
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in hanging {
                group.addTask {
                    let response = try await client.send(HTTPClientRequest(url: server.url), upTo: 0)
                    #expect(response.head.status == .ok)
                    task.cancel()
                }
            }
            try await group.waitForAll()
        }
        for task in hanging {
            let error = await #expect(throws: HTTPError.self) { try await task.value }
            #expect(error?.code == .cancelled)
        }
    }

    @Test func cancelsAtRandomMoments() async throws {
        let server = try FakeServer.responding { _ in
            "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + String(repeating: "x", count: 200_000)
        }
        let client = client
        for round in 0..<200 {
            let task = Task {
                let mode = Self.modes[round % 2]
                return try await client.send(
                    HTTPClientRequest(url: server.url, mode: mode, timeout: nil), upTo: 200_000
                )
                .body.count
            }
            try await Task.sleep(for: .microseconds(Int.random(in: 0...1_500)))
            task.cancel()
            switch await task.result {
            case .success(let count): #expect(count == 200_000)
            case .failure(let error): #expect((error as? HTTPError)?.code == .cancelled, "\(error)")
            }
        }
        #expect(
            try await client.send(HTTPClientRequest(url: server.url), upTo: 200_000).body.count == 200_000)
    }
}
