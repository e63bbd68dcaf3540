import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(5)))
struct ShutdownTests {
    @Test func cancelsCurrentAndLaterRequests() async throws {
        let server = try FakeServer { connection in
            guard let request = connection.readRequest() else { return }
            if request.line.contains("/watch") { connection.send("HTTP/1.1 200 OK\r\n\r\nabc") }
            connection.waitForClose()
        }
        let client = CurlClient(HTTPClientConfiguration(maximumConnectionsPerHost: 2), environment: [:])
        let url = server.url
        let started = Signal()
        let exchanges = (0..<5).map { _ in
            Task { try await client.send(HTTPClientRequest(url: url), upTo: 0).body }
        }
        let watch = Task {
            try await client.withResponse(to: HTTPClientRequest(url: "\(url)/watch", mode: .streaming)) {
                _, body in
                started.raise()
                return try await body.collect(upTo: 10)
            }
        }
        try await started.wait()
        await client.shutdown()
        for exchange in exchanges + [watch] {
            let error = await #expect(throws: HTTPError.self) { try await exchange.value }
            #expect(error?.code == .cancelled)
        }
        for mode in [HTTPClientRequest.TransferMode.unary, .streaming] {
            let error = await #expect(throws: HTTPError.self) {
                try await client.send(HTTPClientRequest(url: url, mode: mode), upTo: 0)
            }
            #expect(error?.code == .cancelled)
        }
        await client.shutdown()
    }

    @Test func endsTheThreadWithItsPool() async throws {
        let configuration = HTTPClientConfiguration()
        let settings = ClientSettings(configuration, environment: [:])
        let plan = try TransferPlan(HTTPClientRequest(url: "http://127.0.0.1:1"), settings)
        weak var observed: ConnectionPool?
        do {
            let pool = try ConnectionPool(.unary, configuration)
            observed = pool
            let error = await #expect(throws: HTTPError.self) {
                try await UnaryTransaction(plan).response(on: pool)
            }
            #expect(error?.code == .connectFailed)
            await pool.shutDown()
            await pool.shutDown()
        }
        // The thread releases its reference shortly after it has resumed the waiters of `shutDown`.
        while observed != nil { await Task.yield() }
    }

    @Test func closesConnectionsWithTheLastReference() async throws {
        let closed = Signal()
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.waitForClose()
            closed.raise()
        }
        do {
            let client = CurlClient(environment: [:])
            #expect(try await client.send(HTTPClientRequest(url: server.url), upTo: 0).head.status == .ok)
        }
        try await closed.wait()
    }
}
