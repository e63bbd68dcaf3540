import TestSupport
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(5)))
struct DeadlineTests {
    private let client = CurlClient(environment: [:])

    /// Starts a server that sends `start`, which may be empty, and nothing more.
    private func silent(after start: String = "") throws -> FakeServer {
        try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send(start)
            connection.waitForClose()
        }
    }

    @Test(arguments: [HTTPClientRequest.TransferMode.unary, .streaming], ["", "HTTP/1.1 200 OK\r\n\r\nabc"])
    func timesOutTheWholeTransaction(mode: HTTPClientRequest.TransferMode, start: String) async throws {
        let server = try silent(after: start)
        let request = HTTPClientRequest(
            url: server.url, mode: mode, timeout: .milliseconds(start.isEmpty ? 150 : 1_500))
        let begin = ContinuousClock.now
        let error = await #expect(throws: HTTPError.self) { try await client.send(request, upTo: 10) }
        #expect(error?.code == .timedOut)
        #expect(
            error?.detail?.contains(start.isEmpty ? "no response head" : "the body is incomplete") == true)
        #expect(ContinuousClock.now - begin >= .milliseconds(150))
    }

    @Test(arguments: [HTTPClientRequest.TransferMode.unary, .streaming])
    func timesOutWhenNoByteArrives(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try silent(after: "HTTP/1.1 200 OK\r\n\r\nabc")
        let request = HTTPClientRequest(
            url: server.url, mode: mode, timeout: nil, idleTimeout: .milliseconds(100))
        let error = await #expect(throws: HTTPError.self) { try await client.send(request, upTo: 10) }
        #expect(error?.code == .idleTimedOut)
    }

    @Test func doesNotTimeOutWhileBytesTrickleIn() async throws {
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            for _ in 0..<6 {
                pause(milliseconds: 100)
                connection.send("x")
            }
        }
        let request = HTTPClientRequest(url: server.url, mode: .streaming, idleTimeout: .seconds(3))
        #expect(try await client.send(request, upTo: 10).body.count == 6)
    }

    @Test func doesNotTimeOutWhileTheReaderIsSlow() async throws {
        let content = [UInt8](repeating: 0x78, count: 32 << 20)
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\n\r\n")
            connection.send(content)
        }
        let request = HTTPClientRequest(
            url: server.url, mode: .streaming, timeout: nil, idleTimeout: .seconds(2))
        let count = try await client.withResponse(to: request) { _, body in
            try await Task.sleep(for: .seconds(3))
            return try await body.collect(upTo: content.count).count
        }
        #expect(count == content.count)
    }

    @Test func timesOutWhenNoByteArrivesAfterAPause() async throws {
        let server = try silent(
            after: "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1 << 20))
        let request = HTTPClientRequest(
            url: server.url, mode: .streaming, timeout: nil, idleTimeout: .seconds(2))
        try await client.withResponse(to: request) { _, body in
            try await Task.sleep(for: .seconds(3))
            let error = await #expect(throws: HTTPError.self) { try await body.collect(upTo: 2 << 20) }
            #expect(error?.code == .idleTimedOut)
        }
    }

    @Test func timesOutDuringTheTLSHandshake() async throws {
        let server = try FakeServer { $0.waitForClose() }
        let client = CurlClient(
            HTTPClientConfiguration(trust: .insecure, connectTimeout: .milliseconds(150)), environment: [:])
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: "https://127.0.0.1:\(server.port)"), upTo: 0)
        }
        #expect(error?.code == .connectTimedOut)
    }

    @Test func timesOutWhileWaitingForAConnection() async throws {
        let server = try silent()
        let client = CurlClient(HTTPClientConfiguration(maximumConnectionsPerHost: 1), environment: [:])
        try await withThrowingTaskGroup(of: HTTPError?.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    await #expect(throws: HTTPError.self) {
                        let request = HTTPClientRequest(url: server.url, timeout: .milliseconds(200))
                        return try await client.send(request, upTo: 0)
                    }
                }
            }
            for try await error in group { #expect(error?.code == .timedOut) }
        }
        // All three time out at the same time, so the server may see the first one only, or the next ones briefly.
        #expect(server.connectionCount <= 3)
    }
}
