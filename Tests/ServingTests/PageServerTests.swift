import Glibc
import Primitives
import Testing

@testable import Serving

@Suite(.timeLimit(.minutes(1))) struct PageServerTests {
    private func withServer(
        _ address: String = "127.0.0.1:0",
        page: Page? = nil, _ body: (PageServer) throws -> Void
    ) async throws {
        let server = try PageServer(try #require(ListenAddress(address))) {
            page ?? Page("you asked for \($0.path)\n")
        }
        do {
            try body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    @Test func answers() async throws {
        try await withServer { server in
            let answer = try Client.get("/a?b", port: server.port)
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

    @Test func headHasNoBodyAndOtherMethodsAreRefused() async throws {
        try await withServer { server in
            let head = try Client(port: server.port)
            head.send("HEAD /a HTTP/1.1\r\n\r\n")
            #expect(head.answer().hasSuffix("close\r\n\r\n"))
            let post = try Client(port: server.port)
            post.send("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
            let answer = post.answer()
            #expect(answer.hasPrefix("HTTP/1.1 405 ") && answer.contains("\r\nAllow: GET, HEAD\r\n"))
            let noise = try Client(port: server.port)
            noise.send("\u{16}\u{3}\r\n\r\n")
            #expect(noise.answer().hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func takesRequestsInPiecesAndSendsLargePages() async throws {
        let text = String(repeating: "0123456789abcde\n", count: 1 << 17)
        try await withServer(page: Page(text)) { server in
            let client = try Client(port: server.port)
            for piece in ["GE", "T / HT", "TP/1.1\r\n", "\r", "\n"] {
                client.send(piece)
                usleep(2000)
            }
            #expect(client.answer().utf8.count > text.utf8.count)
        }
    }

    /// Reads nothing and goes away in the middle of a page: no signal ends the process.
    @Test func survivesClientsThatLeave() async throws {
        let text = String(repeating: "x", count: 8 << 20)
        try await withServer(page: Page(text)) { server in
            for _ in 0..<3 {
                let client = try Client(port: server.port)
                client.send("GET / HTTP/1.1\r\n\r\n")
                var linger = linger(l_onoff: 1, l_linger: 0)
                setsockopt(
                    client.descriptor, SOL_SOCKET, SO_LINGER, &linger,
                    socklen_t(MemoryLayout<Glibc.linger>.size))
                close(client.descriptor)
            }
            #expect(try Client.get("/", port: server.port).utf8.count > text.utf8.count)
        }
    }

    @Test func listensOnEveryAddress() async throws {
        try await withServer(":0") { server in
            let answer4 = try Client.get("/4", port: server.port)
            #expect(answer4.hasSuffix("/4\n"))
            let answer6 = try Client.get("/6", port: server.port, v6: true)
            #expect(answer6.hasSuffix("/6\n"))
        }
        try await withServer("[::1]:0") { server in
            let answer6 = try Client.get("/6", port: server.port, v6: true)
            #expect(answer6.hasSuffix("/6\n"))
            #expect(throws: ClientError.self) { try Client.get("/4", port: server.port) }
        }
    }

    @Test func saysThatThePortIsTaken() async throws {
        try await withServer { server in
            let address = try #require(ListenAddress("127.0.0.1:\(server.port)"))
            let error = #expect(throws: ServingError.self) { try PageServer(address) { _ in Page("") } }
            #expect(error?.code == .portTaken)
            #expect(
                error?.description == "port \(server.port) is taken by another program; choose another one")
            let elsewhere = try #require(ListenAddress("192.0.2.1:0"))
            let other = #expect(throws: ServingError.self) { try PageServer(elsewhere) { _ in Page("") } }
            #expect(other?.code == .noSuchAddress)
        }
    }

    @Test func thePortIsFreeAfterTheEnd() async throws {
        let server = try PageServer(try #require(ListenAddress("127.0.0.1:0"))) { _ in Page("") }
        await server.stop()
        await server.stop()
        #expect(throws: ClientError.self) { try Client(port: server.port) }
        let next = try PageServer(try #require(ListenAddress("127.0.0.1:\(server.port)"))) { _ in
            Page("new\n")
        }
        #expect(try Client.get("/", port: server.port).hasSuffix("new\n"))
        await next.stop()
    }
}
