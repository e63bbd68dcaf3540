import Cryptography
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(5)))
struct UnaryTests {
    private let client = CurlClient(environment: [:])

    /// Returns a response that repeats the request in a comparable form.
    private static func echo(_ request: FakeRequest) -> String {
        let interesting = [
            "host", "user-agent", "content-length", "content-type", "expect", "x-plain", "x-secret",
        ]
        var text = request.line
        for name in interesting {
            if let value = request.field(name) { text += "|\(name)=\(value)" }
        }
        text += "|\(String(decoding: request.body, as: UTF8.self))"
        return "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
    }

    private func sent(_ request: HTTPClientRequest, to server: FakeServer) async throws -> String {
        let text = String(decoding: try await client.send(request, upTo: 4096).body, as: UTF8.self)
        return text.replacing("|host=127.0.0.1:\(server.port)|user-agent=secrets-bridge", with: "")
    }

    @Test func sendsRequestsUnchanged() async throws {
        let server = try FakeServer.responding(Self.echo)
        var request = HTTPClientRequest(url: "\(server.url)/a/../b?c=%20d")
        #expect(try await sent(request, to: server) == "GET /a/../b?c=%20d HTTP/1.1|")
        request.url = server.url
        request.method = .delete
        #expect(try await sent(request, to: server) == "DELETE / HTTP/1.1|")
        request.body = .bytes(Array("{}".utf8))
        #expect(try await sent(request, to: server) == "DELETE / HTTP/1.1|content-length=2|{}")
        request.method = .patch
        request.fields[.contentType] = "application/json-patch+json"
        request.body = .secret(SharedSecret(copying: Array("[1]".utf8)))
        #expect(
            try await sent(request, to: server)
                == "PATCH / HTTP/1.1|content-length=3|content-type=application/json-patch+json|[1]")
        request = HTTPClientRequest(method: .post, url: server.url)
        #expect(try await sent(request, to: server) == "POST / HTTP/1.1|content-length=0|")
        request.method = .put
        #expect(try await sent(request, to: server) == "PUT / HTTP/1.1|content-length=0|")
        request.method = .get
        request.fields[HTTPField.Name("X-Plain") ?? .accept] = ""
        request.secretFields = [
            .init(
                name: HTTPField.Name("X-Secret") ?? .accept, value: SharedSecret(copying: Array("s: t".utf8)))
        ]
        #expect(try await sent(request, to: server) == "GET / HTTP/1.1|x-plain=|x-secret=s: t|")
        #expect(server.connectionCount == 1)
    }

    @Test func transfersLargeBodiesInBothDirections() async throws {
        let server = try FakeServer.responding { request in
            "HTTP/1.1 200 OK\r\nContent-Length: \(request.body.count)\r\n\r\n\(String(decoding: request.body, as: UTF8.self))"
        }
        let body = [UInt8](repeating: 0x61, count: 3 << 20)
        for form in [HTTPClientRequest.Body.bytes(body), .secret(SharedSecret(copying: body))] {
            let request = HTTPClientRequest(method: .post, url: server.url, body: form)
            #expect(try await client.send(request, upTo: body.count).body == body)
            let secret = try await client.sendCollectingSecret(request, upTo: body.count)
            #expect(secret.body.bytes.withUnsafeBytes { $0.elementsEqual(body) })
        }
    }

    @Test func readsNoBodyForAHeadRequest() async throws {
        let server = try FakeServer.responding { _ in "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" }
        let response = try await client.send(HTTPClientRequest(method: .head, url: server.url), upTo: 10)
        #expect(response.head.fields[.contentLength] == "999999999")
        #expect(response.body.isEmpty)
    }

    @Test func ignoresInterimResponsesAndTrailers() async throws {
        let server = try FakeServer.responding { _ in
            "HTTP/1.1 103 Early Hints\r\nA: 1\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "2\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n"
        }
        let response = try await client.send(HTTPClientRequest(url: server.url), upTo: 3)
        #expect(response.head.status == .created)
        #expect(response.head.fields.count == 1)
        #expect(response.body == Array("abc".utf8))
    }

    @Test func returnsRedirectsAndErrorsAsResponses() async throws {
        let server = try FakeServer.responding { request in
            let code = request.line.split(separator: " ")[1].dropFirst()
            return "HTTP/1.1 \(code) X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
        }
        for code in [302, 401, 404, 500] {
            let response = try await client.send(HTTPClientRequest(url: "\(server.url)/\(code)"), upTo: 0)
            #expect(response.head.status.code == code)
        }
    }

    @Test func limitsTheUncompressedSizeOfABody() async throws {
        // printf '%1000s' x | gzip -n9 | base64
        let packed: [UInt8] = [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x53, 0x50, 0x18, 0x05, 0xA3, 0x60,
            0x14, 0x0C, 0x73, 0x50, 0x01, 0x00, 0x44, 0x3A, 0x23, 0xA8, 0xE8, 0x03, 0x00, 0x00,
        ]
        let server = try FakeServer { connection in
            while let request = connection.readRequest() {
                #expect(request.field("accept-encoding") == "gzip")
                connection.send(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n\r\n")
                connection.send(packed)
            }
        }
        let client = CurlClient(HTTPClientConfiguration(acceptsCompression: true), environment: [:])
        let request = HTTPClientRequest(url: server.url)
        #expect(
            try await client.send(request, upTo: 1_000).body == [UInt8](repeating: 0x20, count: 999) + [0x78])
        let error = await #expect(throws: HTTPError.self) { try await client.send(request, upTo: 999) }
        #expect(error?.code == .responseTooLarge)
    }

    @Test func replacesAStaleConnection() async throws {
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
        for _ in 0..<5 {
            #expect(try await client.send(HTTPClientRequest(url: server.url), upTo: 0).head.status == .ok)
        }
        #expect(server.connectionCount == 5)
    }

    @Test func sharesAFewConnectionsBetweenParallelRequests() async throws {
        let server = try FakeServer.responding(Self.echo)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask { _ = try await client.send(HTTPClientRequest(url: server.url), upTo: 4096) }
            }
            try await group.waitForAll()
        }
        #expect((1...4).contains(server.connectionCount))
    }
}
