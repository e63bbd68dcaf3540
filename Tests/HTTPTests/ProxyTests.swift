import HTTPTypes
import System
import TestSupport
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(5)))
struct ProxyTests {
    @Test func usesTheEnvironmentsProxyForPlainHTTP() async throws {
        let proxy = try FakeProxy()
        let client = CurlClient(
            HTTPClientConfiguration(plainHTTP: .always), environment: ["http_proxy": proxy.url])
        let response = try await client.send(HTTPClientRequest(url: "http://vault.test/v1/x"), upTo: 10)
        #expect(response.body == Array("proxied".utf8))
        #expect(proxy.requests.map(\.line) == ["GET http://vault.test/v1/x HTTP/1.1"])
    }

    @Test func connectsToNoProxyHostsDirectly() async throws {
        let proxy = try FakeProxy()
        let server = try FakeServer.responding { _ in "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect" }
        let client = CurlClient(environment: ["http_proxy": proxy.url, "no_proxy": "127.0.0.1"])
        #expect(
            try await client.send(HTTPClientRequest(url: server.url), upTo: 6).body == Array("direct".utf8))
        #expect(proxy.requests.isEmpty)
    }

    /// As with kubectl, the proxy gets names and resolves them (RFC 1928, 4: address type 3).
    @Test(arguments: ["socks5", "socks5h", "SOCKS5"])
    func sendsNamesToASOCKSProxy(scheme: String) async throws {
        let asked = Locked<[[UInt8]]>([])
        let server = try FakeServer { client in
            guard client.read() != nil, client.send([5, 0]), let request = client.read() else { return }
            asked.withLock { $0.append(request) }
            guard client.send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), client.readRequest() != nil else { return }
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied")
        }
        let url = "\(scheme)://127.0.0.1:\(server.port)"
        let clients = [
            CurlClient(HTTPClientConfiguration(proxy: .url(url), plainHTTP: .always), environment: [:]),
            CurlClient(HTTPClientConfiguration(plainHTTP: .always), environment: ["HTTP_PROXY": url]),
            CurlClient(HTTPClientConfiguration(plainHTTP: .always), environment: ["all_proxy": url]),
        ]
        for client in clients {
            let response = try await client.send(HTTPClientRequest(url: "http://vault.test/v1/x"), upTo: 10)
            #expect(response.body == Array("proxied".utf8))
        }
        let expected = [5, 1, 0, 3, 10] + Array("vault.test".utf8) + [0, 80]
        #expect(asked.withLock { $0 } == [expected, expected, expected])
    }

    @Test(arguments: [HTTPClientRequest.TransferMode.unary, .streaming])
    func reportsARefusedTunnelAsProxyFailed(mode: HTTPClientRequest.TransferMode) async throws {
        let proxy = try FakeProxy(refusal: "403 Forbidden")
        let client = CurlClient(HTTPClientConfiguration(proxy: .url(proxy.url)), environment: [:])
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: "https://api.test/", mode: mode), upTo: 0)
        }
        #expect(error?.code == .proxyFailed)
        #expect(error?.detail?.contains("403") == true)
    }

    @Test(.enabled(if: TLSServer.isInstalled), arguments: [HTTPClientRequest.TransferMode.unary, .streaming])
    func sendsTLSThroughATunnel(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try await TLSServer(for: mode)
        let proxy = try FakeProxy()
        let client = try server.client { $0.proxy = .url(proxy.url) }
        let request = HTTPClientRequest(
            url: server.url(), fields: [.authorization: "not for the proxy"], mode: mode)
        #expect(try await client.send(request, upTo: 2).body == Array("ok".utf8))
        #expect(proxy.requests.map(\.line) == ["CONNECT localhost:\(server.port) HTTP/1.1"])
        #expect(proxy.requests.first?.field("authorization") == nil)
        await client.shutdown()
    }
}
