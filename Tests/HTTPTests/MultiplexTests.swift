import HTTPTypes
import Testing

@testable import HTTP

@Suite(.enabled(if: NGHTTPServer.isInstalled, "needs nghttpd (Debian: nghttp2-server) and openssl"))
struct MultiplexTests {
    @Test(.timeLimit(.minutes(1)), arguments: [(500, "100"), (500, "10"), (200, "1000")])
    func manyConcurrentRequestsShareConnections(count: Int, streams: String) async throws {
        let server = try await NGHTTPServer("-m", streams)
        let client = try server.client()
        let clock = ContinuousClock()
        let start = clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    let response = try await client.send(HTTPClientRequest(url: server.url()), upTo: 10)
                    #expect(response.head.status == .ok)
                    #expect(response.body == Array("ok".utf8))
                }
            }
            try await group.waitForAll()
        }
        print("done", count, streams, clock.now - start)
        await client.shutdown()
    }
}
