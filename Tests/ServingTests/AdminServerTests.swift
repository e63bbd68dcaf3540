import Glibc
import System
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct AdminServerTests {
    private func withServer(
        _ address: String = "127.0.0.1:0",
        page: AdminResponse? = nil, _ body: (AdminServer) throws -> Void
    ) async throws {
        let server = try AdminServer(try #require(ListenAddress(address))) {
            page ?? AdminResponse("you asked for \($0.path)\n")
        }
        do {
            try body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    @Test func servesResponses() async throws {
        try await withServer { server in
            let answer = try TestClient.get("/a?b", port: server.port)
            #expect(
                answer == """
                    HTTP/1.1 200 OK\r
                    Content-Type: text/plain; charset=utf-8\r
                    Content-Length: 17\r
                    Cache-Control: no-store\r
                    X-Content-Type-Options: nosniff\r
                    Connection: close\r
                    \r
                    you asked for /a\n
                    """)
        }
    }

    @Test func sendsNoBodyForHEADAndRejectsOtherMethods() async throws {
        try await withServer { server in
            let head = try TestClient(port: server.port)
            head.send("HEAD /a HTTP/1.1\r\n\r\n")
            #expect(head.readResponse().hasSuffix("close\r\n\r\n"))
            let post = try TestClient(port: server.port)
            post.send("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
            let answer = post.readResponse()
            #expect(answer.hasPrefix("HTTP/1.1 405 "))
            #expect(answer.contains("\r\nAllow: GET, HEAD\r\n"))
            let noise = try TestClient(port: server.port)
            noise.send("\u{16}\u{3}\r\n\r\n")
            #expect(noise.readResponse().hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func acceptsRequestsInPiecesAndSendsLargeResponses() async throws {
        let text = String(repeating: "0123456789abcde\n", count: 1 << 17)
        try await withServer(page: AdminResponse(text)) { server in
            let client = try TestClient(port: server.port)
            for piece in ["GE", "T / HT", "TP/1.1\r\n", "\r", "\n"] {
                client.send(piece)
                usleep(2000)
            }
            #expect(client.readResponse().utf8.count > text.utf8.count)
        }
    }

    /// The client disconnects in the middle of a response, and SIGPIPE does not end the process.
    @Test func survivesClientsThatDisconnect() async throws {
        let text = String(repeating: "x", count: 8 << 20)
        try await withServer(page: AdminResponse(text)) { server in
            for _ in 0..<3 {
                let client = try TestClient(port: server.port)
                client.send("GET / HTTP/1.1\r\n\r\n")
                var linger = linger(l_onoff: 1, l_linger: 0)
                setsockopt(
                    client.descriptor, SOL_SOCKET, SO_LINGER, &linger,
                    socklen_t(MemoryLayout<Glibc.linger>.size))
                close(client.descriptor)
            }
            #expect(try TestClient.get("/", port: server.port).utf8.count > text.utf8.count)
        }
    }

    @Test func listensOnAllAddresses() async throws {
        try await withServer(":0") { server in
            let answer4 = try TestClient.get("/4", port: server.port)
            #expect(answer4.hasSuffix("/4\n"))
            let answer6 = try TestClient.get("/6", port: server.port, v6: true)
            #expect(answer6.hasSuffix("/6\n"))
        }
        try await withServer("[::1]:0") { server in
            let answer6 = try TestClient.get("/6", port: server.port, v6: true)
            #expect(answer6.hasSuffix("/6\n"))
            #expect(throws: ClientError.self) { try TestClient.get("/4", port: server.port) }
        }
    }

    @Test func reportsAPortInUse() async throws {
        try await withServer { server in
            let address = try #require(ListenAddress("127.0.0.1:\(server.port)"))
            let error = #expect(throws: ListenError.self) {
                try AdminServer(address) { _ in AdminResponse("") }
            }
            #expect(error?.code == .portInUse)
            #expect(
                error?.description == "port \(server.port) is in use by another program; choose another port")
            let elsewhere = try #require(ListenAddress("192.0.2.1:0"))
            let other = #expect(throws: ListenError.self) {
                try AdminServer(elsewhere) { _ in AdminResponse("") }
            }
            #expect(other?.code == .addressNotAvailable)
        }
    }

    @Test func freesThePortWhenStopped() async throws {
        let server = try AdminServer(try #require(ListenAddress("127.0.0.1:0"))) { _ in AdminResponse("") }
        await server.stop()
        await server.stop()
        #expect(throws: ClientError.self) { try TestClient(port: server.port) }
        let next = try AdminServer(try #require(ListenAddress("127.0.0.1:\(server.port)"))) { _ in
            AdminResponse("new\n")
        }
        #expect(try TestClient.get("/", port: server.port).hasSuffix("new\n"))
        await next.stop()
    }
}
