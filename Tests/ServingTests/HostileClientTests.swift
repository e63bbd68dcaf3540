import Glibc
import System
import Testing

@testable import Serving

/// Clients that hold connections open, as an attacker in the cluster might, beside a probe.
@Suite(.serialized, .timeLimit(.minutes(2))) struct HostileClientTests {
    private static let count = 1000

    /// Both ends of 1,000 connections are in this process.
    init() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 8192))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    private func withServer(_ body: (AdminServer) throws -> Void) async throws {
        let large = AdminResponse(String(repeating: "0123456789abcde\n", count: 1 << 17))
        let server = try AdminServer(try #require(ListenAddress("127.0.0.1:0"))) {
            $0.path == "/metrics" ? large : AdminResponse("ok\n")
        }
        do {
            try body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// The kubelet's probe times out after a second.
    private func expectPromptProbes(_ server: AdminServer, _ what: Comment) throws {
        for _ in 0..<5 {
            let start = ContinuousClock.now
            let answer = try TestClient.get("/healthz", port: server.port)
            #expect(answer.hasSuffix("ok\n"), what)
            #expect(ContinuousClock.now - start < .seconds(2), what)
        }
    }

    @Test func respondsToProbesBesideSilentConnections() async throws {
        try await withServer { server in
            let silent = try (0..<Self.count).map { _ in try TestClient(port: server.port) }
            defer { for client in silent { close(client.descriptor) } }
            try expectPromptProbes(server, "silent")
        }
    }

    @Test func respondsToProbesWhileConnectionsAreOpenedWithoutEnd() async throws {
        try await withServer { server in
            let isOver = Locked(false)
            let port = server.port
            _ = startThread {
                var clients: [TestClient] = []
                while !isOver.withLock({ $0 }) {
                    if let client = try? TestClient(port: port, from: "127.0.0.2") { clients.append(client) }
                    if clients.count > 500 { close(clients.removeFirst().descriptor) }
                }
                for client in clients { close(client.descriptor) }
            }
            defer { isOver.withLock { $0 = true } }
            for _ in 0..<20 { try expectPromptProbes(server, "a flood of connections") }
        }
    }

    @Test func respondsToProbesBesideHeadsThatArriveByteByByte() async throws {
        try await withServer { server in
            let slow = try (0..<Self.count).map { _ in try TestClient(port: server.port) }
            let isOver = Locked(false)
            _ = startThread {
                while !isOver.withLock({ $0 }) {
                    for client in slow { client.send("G") }
                }
                for client in slow { close(client.descriptor) }
            }
            defer { isOver.withLock { $0 = true } }
            for _ in 0..<4 { try expectPromptProbes(server, "heads byte by byte") }
        }
    }

    @Test func respondsToProbesBesideConnectionsThatNeverRead() async throws {
        try await withServer { server in
            let deaf = try (0..<Self.count).map { _ in try TestClient(port: server.port) }
            defer { for client in deaf { close(client.descriptor) } }
            for client in deaf { client.send("GET /metrics HTTP/1.1\r\n\r\n") }
            try expectPromptProbes(server, "responses that no client reads")
        }
    }

    /// Bytes after the request are discarded, a bounded amount at a time.
    @Test func respondsToProbesBesideConnectionsThatSendWithoutEnd() async throws {
        try await withServer { server in
            let isOver = Locked(false)
            let sent = Locked(0)
            let port = server.port
            for _ in 0..<4 {
                _ = startThread {
                    let noise = String(repeating: "x", count: 1 << 20)
                    while !isOver.withLock({ $0 }) {
                        guard let client = try? TestClient(port: port) else { continue }
                        client.send("GET / HTTP/1.1\r\n\r\n")
                        for _ in 0..<2000 where !isOver.withLock({ $0 }) {
                            client.send(noise)
                            sent.withLock { $0 += 1 }
                        }
                        close(client.descriptor)
                    }
                }
            }
            defer { isOver.withLock { $0 = true } }
            for _ in 0..<2000 where sent.withLock({ $0 }) < 8 { usleep(5000) }
            for _ in 0..<20 { try expectPromptProbes(server, "requests that never end") }
        }
    }

    /// The head must be complete after two seconds, even if bytes arrive all the time.
    @Test func dropsALateHead() async throws {
        try await withServer { server in
            let slow = try TestClient(port: server.port)
            let start = ContinuousClock.now
            for _ in 0..<30 {
                slow.send("G")
                usleep(100_000)
            }
            #expect(slow.readResponse().isEmpty)
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }
}
