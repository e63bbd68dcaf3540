import HTTPTypes
import Primitives
import TestSupport
import Testing

@testable import HTTP

/// Against nghttpd and openssl: trust, names, client certificates, and HTTP/2 where it belongs.
@Suite(
    .enabled(if: TLSServer.isInstalled, "needs nghttpd (Debian: nghttp2-server) and openssl"),
    .timeLimit(.minutes(5)))
struct TLSTests {
    private static let lanes = [HTTPClientRequest.Lane.unary, .streaming]

    private func failure(_ client: CurlClient, _ url: String, _ lane: HTTPClientRequest.Lane) async
        -> HTTPError?
    {
        await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: url, lane: lane), upTo: 10)
        }
    }

    @Test(arguments: lanes)
    func trust(lane: HTTPClientRequest.Lane) async throws {
        let server = try await TLSServer(for: lane)
        let trusting: [HTTPClientConfiguration.Trust] = [
            .pem(try server.certificates.pem("ca.crt")),
            .pem(try server.certificates.pem("stranger.crt") + server.certificates.pem("ca.crt")),
            .file(server.certificates.folder.path("ca.crt")), .insecure,
        ]
        for trust in trusting {
            let client = try server.client { $0.trust = trust }
            let response = try await client.send(HTTPClientRequest(url: server.url(), lane: lane), upTo: 2)
            #expect(response.body == Array("ok".utf8))
        }
        let doubting: [HTTPClientConfiguration.Trust] = [
            .system, .pem(try server.certificates.pem("stranger.crt")),
            .file(server.certificates.folder.path("stranger.crt")),
        ]
        for trust in doubting {
            let error = await failure(try server.client { $0.trust = trust }, server.url(), lane)
            #expect(error?.code == .certificateUntrusted)
            #expect(error?.isRetryable == false)
        }
        for trust in [HTTPClientConfiguration.Trust.pem(Array("no PEM".utf8)), .file("/nonexistent/ca.crt")] {
            let error = await failure(try server.client { $0.trust = trust }, server.url(), lane)
            #expect(error?.code == .caInvalid)
        }
    }

    @Test(arguments: lanes)
    func names(lane: HTTPClientRequest.Lane) async throws {
        let server = try await TLSServer(for: lane)
        let address = server.url(host: "127.0.0.1")
        #expect(await failure(try server.client(), address, lane)?.code == .certificateNameMismatch)
        let named = try server.client { $0.serverName = "api.internal" }
        #expect(
            try await named.send(HTTPClientRequest(url: address, lane: lane), upTo: 2).body
                == Array("ok".utf8))
        let misnamed = try server.client { $0.serverName = "other.internal" }
        #expect(await failure(misnamed, server.url(), lane)?.code == .certificateNameMismatch)
    }

    @Test(arguments: lanes)
    func clientCertificates(lane: HTTPClientRequest.Lane) async throws {
        let server = try await TLSServer(
            for: lane, lane == .unary ? ["--verify-client"] : ["-Verify", "1", "-verify_return_error"])
        let certificates = server.certificates
        func client(_ chain: String, _ key: String) throws -> CurlClient {
            let key = SharedSecret(copying: try certificates.pem(key))
            let chain = try certificates.pem(chain)
            return try server.client { $0.clientCertificate = .init(chain: chain, key: key) }
        }
        let identified = try client("client.crt", "client.key")
        for _ in 0..<3 {
            let response = try await identified.send(
                HTTPClientRequest(url: server.url(), lane: lane), upTo: 2)
            #expect(response.body == Array("ok".utf8))
        }
        for (chain, key) in [("client.crt", "server.key"), ("client.csr", "client.key")] {
            let error = await failure(try client(chain, key), server.url(), lane)
            #expect(error?.code == .clientCertificateInvalid)
        }
        // In TLS 1.3 the server's refusal comes after the handshake, as the end of the connection.
        let anonymous = await failure(try server.client(), server.url(), lane)
        #expect([.clientCertificateRequired, .connectionClosed, .tlsFailed].contains(anonymous?.code))
    }

    @Test func aPausedStreamDoesNotDelayUnaryCalls() async throws {
        let large = [UInt8](repeating: 0x78, count: 40 << 20)
        let streams = try await TLSServer(for: .streaming, files: ["large": large])
        let server = try await TLSServer()
        let client = try server.client()
        let request = HTTPClientRequest(url: streams.url("large"), lane: .streaming, timeout: nil)
        let count = try await client.withResponse(to: request) { _, body in
            try await Task.sleep(for: .milliseconds(300))
            for _ in 0..<100 {
                let small = HTTPClientRequest(url: server.url(), timeout: .seconds(60))
                #expect(try await client.send(small, upTo: 2).body == Array("ok".utf8))
            }
            return try await body.collect(upTo: large.count).count
        }
        #expect(count == large.count)
        await client.shutdown()
    }

    @Test func largeUploadsOverHTTP2() async throws {
        let server = try await TLSServer(["--echo-upload"])
        let client = try server.client()
        let body = (0..<(2 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<8 {
                group.addTask {
                    let form: HTTPClientRequest.Body =
                        index % 2 == 0 ? .bytes(body) : .secret(SharedSecret(copying: body))
                    let request = HTTPClientRequest(method: .post, url: server.url(), body: form)
                    let response = try await client.send(request, upTo: body.count)
                    #expect(response.body == body)
                }
            }
            try await group.waitForAll()
        }
        await client.shutdown()
    }
}
