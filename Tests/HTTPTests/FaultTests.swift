import Cryptography
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

/// Faults of servers and of callers.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
    private let client = CurlClient(environment: [:])

    private func failure(_ request: HTTPClientRequest, upTo limit: Int = 1_000) async -> HTTPError? {
        await #expect(throws: HTTPError.self) { try await client.send(request, upTo: limit) }
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let answer: String
        let code: HTTPError.Code
    }

    static let faults = [
        Fault(testDescription: "no answer", answer: "", code: .connectionClosed),
        Fault(testDescription: "cut in the head", answer: "HTTP/1.1 200 OK\r\nA: 1", code: .connectionClosed),
        Fault(
            testDescription: "cut in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            code: .connectionClosed),
        Fault(
            testDescription: "cut in the chunks",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", code: .connectionClosed),
        Fault(testDescription: "not HTTP", answer: "SSH-2.0-OpenSSH_9.2\r\n", code: .protocolError),
        Fault(
            testDescription: "announced too large", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
            code: .responseTooLarge),
        Fault(
            testDescription: "turns out too large",
            answer: "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1_001), code: .responseTooLarge),
        Fault(
            testDescription: "endless head",
            answer: "HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: 60_000) + "\r\n",
            code: .responseTooLarge),
        Fault(
            testDescription: "bad chunk",
            answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            code: .connectionClosed),
    ]

    @Test(arguments: faults)
    func reportsTheCodeOfAServerFault(_ fault: Fault) async throws {
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send(fault.answer)
        }
        for mode in [HTTPClientRequest.TransferMode.unary, .streaming] {
            // A stream has no limit until it is collected, and this one ends before.
            if mode == .streaming, fault.testDescription == "announced too large" { continue }
            let error = await failure(HTTPClientRequest(url: "\(server.url)/secret-path", mode: mode))
            #expect(error?.code == fault.code, "\(mode): \(String(describing: error))")
            #expect(error?.activity == "GET \(server.url)")
            #expect(error?.description.contains("secret-path") == false)
        }
    }

    @Test func reportsAResetAsAClosedConnection() async throws {
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            connection.abort()
        }
        #expect(await failure(HTTPClientRequest(url: server.url))?.code == .connectionClosed)
    }

    @Test func reportsAClosedPortAsConnectFailed() async throws {
        let (listener, port) = try listenOnLoopback()
        closeDescriptor(listener)
        let error = await failure(HTTPClientRequest(url: "http://127.0.0.1:\(port)"))
        #expect(error?.code == .connectFailed)
        #expect(error?.isRetryable == true)
        #expect(error?.description.contains("127.0.0.1:\(port)") == true)
    }

    @Test func refusesPlainHTTPUnlessAllowed() async throws {
        #expect(await failure(HTTPClientRequest(url: "http://192.0.2.1/"))?.code == .invalidRequest)
        let strict = CurlClient(HTTPClientConfiguration(plainHTTP: .never), environment: [:])
        let error = await #expect(throws: HTTPError.self) {
            try await strict.send(HTTPClientRequest(url: "http://127.0.0.1:1/"), upTo: 0)
        }
        #expect(error?.code == .invalidRequest)
    }

    @Test func refusesRequestBodiesAboveTheLimit() async throws {
        let client = CurlClient(HTTPClientConfiguration(maximumRequestBody: 3), environment: [:])
        for body in [
            HTTPClientRequest.Body.bytes([1, 2, 3, 4]), .secret(SharedSecret(copying: [1, 2, 3, 4])),
        ] {
            let request = HTTPClientRequest(method: .post, url: "http://127.0.0.1:1/", body: body)
            let error = await #expect(throws: HTTPError.self) { try await client.send(request, upTo: 0) }
            #expect(error?.code == .requestTooLarge)
        }
    }

    @Test(arguments: ["a\r\nX-Injected: 1", "a\n", "\u{0}", "a\u{7F}"])
    func refusesSecretFieldsWithControlCharacters(value: String) async throws {
        let request = HTTPClientRequest(
            url: "http://127.0.0.1:1/",
            secretFields: [.init(name: .authorization, value: SharedSecret(copying: Array(value.utf8)))])
        let error = await failure(request)
        #expect(error?.code == .invalidRequest)
        #expect(error?.description.contains("X-Injected") == false)
    }
}
