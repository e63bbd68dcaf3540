import Glibc
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

@Suite(
    .enabled(if: TLSServer.isInstalled, "needs nghttpd (Debian: nghttp2-server) and openssl"),
    .timeLimit(.minutes(5)))
struct MultiplexTests {
    /// The second server allows few streams, the third more than the client uses.
    @Test(arguments: [(500, "100", 1), (500, "10", 100), (200, "1000", 1)])
    func sharesConnectionsBetweenConcurrentRequests(count: Int, streams: String, connections: Int)
        async throws
    {
        let server = try await TLSServer(["-m", streams])
        let client = try server.client()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    let request = HTTPClientRequest(url: server.url(), timeout: .seconds(120))
                    let response = try await client.send(request, upTo: 2)
                    #expect(response.body == Array("ok".utf8))
                }
            }
            try await group.waitForAll()
        }
        let opened = try openConnections(to: server.port)
        // On a loaded machine libcurl rarely opens one more than it needs.
        #expect((1...(connections + 1)).contains(opened))
        await client.shutdown()
    }

    @Test func keepsTheConnectionWhenStreamsAreCancelled() async throws {
        let server = try await TLSServer(files: [
            "large": [UInt8](repeating: 0x78, count: 8 << 20), "small": [0x6F, 0x6B],
        ])
        let client = try server.client()
        #expect(try await client.send(HTTPClientRequest(url: server.url()), upTo: 2).body.count == 2)
        for _ in 0..<20 {
            let task = Task {
                try await client.send(HTTPClientRequest(url: server.url("large")), upTo: 8 << 20)
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...10)))
            task.cancel()
            #expect(try await client.send(HTTPClientRequest(url: server.url()), upTo: 2).body.count == 2)
            _ = await task.result
        }
        // libcurl may open a second one while the first still writes a cancelled request. Without streams there were twenty.
        #expect(try openConnections(to: server.port) <= 2)
        await client.shutdown()
    }

    /// Counts the established connections to a port on loopback in /proc/net/tcp, see proc(5).
    private func openConnections(to port: Int) throws -> Int {
        guard let file = fopen("/proc/net/tcp", "r") else { throw SocketFailure() }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
        let digits = String(port, radix: 16, uppercase: true)
        let remote = "0100007F:" + String(repeating: "0", count: 4 - digits.count) + digits
        return text.split(separator: "\n").filter { line in
            let words = line.split(separator: " ")
            return words.count > 3 && words[2] == remote && words[3] == "01"
        }.count
    }
}
