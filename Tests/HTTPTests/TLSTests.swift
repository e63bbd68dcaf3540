import Cryptography
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

/// Runs against nghttpd (HTTP/2) and `openssl s_server` (HTTP/1.1).
@Suite(
    .enabled(if: TLSServer.isInstalled, "needs nghttpd (Debian: nghttp2-server) and openssl"),
    .timeLimit(.minutes(5)))
struct TLSTests {
    private static let modes = [HTTPClientRequest.TransferMode.unary, .streaming]

    private func failure(_ client: CurlClient, _ url: String, _ mode: HTTPClientRequest.TransferMode) async
        -> HTTPError?
    {
        await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: url, mode: mode), upTo: 10)
        }
    }

    private let damaged = Array(
        """
        \u{FEFF}-----BEGIN CERTIFICATE-----
        MIIB
        -----END CERTIFICATE-----
        -----BEGIN RSA PRIVATE KEY-----
        Proc-Type: 4,ENCRYPTED
        DEK-Info: AES-128-CBC,00000000000000000000000000000000

        AAAA
        -----END RSA PRIVATE KEY-----
        -----BEGIN CERTIFICATE-----
        Proc-Type: 4,ENCRYPTED
        DEK-Info: AES-128-CBC,00000000000000000000000000000000

        AAAA
        -----END CERTIFICATE-----

        """.utf8)

    @Test(arguments: modes)
    func acceptsOnlyTrustedCertificates(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try await TLSServer(for: mode)
        let trusting: [HTTPClientConfiguration.Trust] = [
            .pem(try server.certificates.pem("ca.crt")),
            .pem(try server.certificates.pem("unrelated.crt") + server.certificates.pem("ca.crt")),
            .file(server.certificates.folder.path("ca.crt")), .insecure,
            // A damaged certificate, a byte-order mark and an encrypted key beside a valid certificate.
            .pem(damaged + (try server.certificates.pem("ca.crt"))),
            .file(
                try server.certificates.folder.write(
                    "damaged.pem", damaged + server.certificates.pem("ca.crt"))),
        ]
        for trust in trusting {
            let client = try server.client { $0.trust = trust }
            let response = try await client.send(HTTPClientRequest(url: server.url(), mode: mode), upTo: 2)
            #expect(response.body == Array("ok".utf8))
        }
        let distrusting: [HTTPClientConfiguration.Trust] = [
            .system, .pem(try server.certificates.pem("unrelated.crt")),
            .file(server.certificates.folder.path("unrelated.crt")),
        ]
        for trust in distrusting {
            let error = await failure(try server.client { $0.trust = trust }, server.url(), mode)
            #expect(error?.code == .certificateUntrusted)
            #expect(error?.isRetryable == false)
        }
        for trust in [HTTPClientConfiguration.Trust.pem(Array("no PEM".utf8)), .file("/nonexistent/ca.crt")] {
            let error = await failure(try server.client { $0.trust = trust }, server.url(), mode)
            #expect(error?.code == .caInvalid)
        }
    }

    @Test(arguments: modes)
    func checksTheServersName(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try await TLSServer(for: mode)
        let address = server.url(host: "127.0.0.1")
        #expect(await failure(try server.client(), address, mode)?.code == .certificateNameMismatch)
        let named = try server.client { $0.serverName = "api.internal" }
        #expect(
            try await named.send(HTTPClientRequest(url: address, mode: mode), upTo: 2).body
                == Array("ok".utf8))
        let misnamed = try server.client { $0.serverName = "other.internal" }
        #expect(await failure(misnamed, server.url(), mode)?.code == .certificateNameMismatch)
    }

    @Test(arguments: modes)
    func sendsAValidClientCertificate(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try await TLSServer(
            for: mode, mode == .unary ? ["--verify-client"] : ["-Verify", "1", "-verify_return_error"])
        let certificates = server.certificates
        func client(_ chain: String, _ key: String) throws -> CurlClient {
            let key = SharedSecret(copying: try certificates.pem(key))
            let chain = try certificates.pem(chain)
            return try server.client { $0.clientCertificate = .init(chain: chain, key: key) }
        }
        let identified = try client("client.crt", "client.key")
        for _ in 0..<3 {
            let response = try await identified.send(
                HTTPClientRequest(url: server.url(), mode: mode), upTo: 2)
            #expect(response.body == Array("ok".utf8))
        }
        for (chain, key) in [("client.crt", "server.key"), ("client.csr", "client.key")] {
            let error = await failure(try client(chain, key), server.url(), mode)
            #expect(error?.code == .clientCertificateInvalid)
        }
        // libcurl crashes when OpenSSL asks it for a password.
        for form in ["-aes128", "-traditional"] {
            let encrypted = try certificates.encryptedClientKey(form)
            let chain = try certificates.pem("client.crt")
            let configured = try server.client {
                $0.clientCertificate = .init(chain: chain, key: SharedSecret(copying: encrypted))
            }
            let error = await failure(configured, server.url(), mode)
            #expect(error?.code == .clientCertificateInvalid)
            #expect(error?.description.contains("encrypted private key") == true)
            #expect(error?.description.contains("openssl pkey -in") == true)
        }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let chain = try mark + certificates.pem("client.crt")
        let key = SharedSecret(copying: try mark + certificates.pem("client.key"))
        let marked = try server.client { $0.clientCertificate = .init(chain: chain, key: key) }
        #expect(
            try await marked.send(HTTPClientRequest(url: server.url(), mode: mode), upTo: 2).body
                == Array("ok".utf8))
        // In TLS 1.3 the server refuses a client after the handshake, by closing the connection.
        let anonymous = await failure(try server.client(), server.url(), mode)
        #expect([.clientCertificateRequired, .connectionClosed, .tlsFailed].contains(anonymous?.code))
    }

    /// As in Go's crypto/x509, each variable replaces only its own list.
    @Test(arguments: modes)
    func trustsTheCAsOfTheEnvironment(mode: HTTPClientRequest.TransferMode) async throws {
        let server = try await TLSServer(for: mode)
        let folder = try TemporaryFolder()
        try folder.write("cas/a.pem", server.certificates.pem("unrelated.crt"))
        try folder.write("cas/README", "no PEM")
        try folder.write("mine/b.crt", server.certificates.pem("ca.crt"))
        let file = server.certificates.folder.path("ca.crt")
        func error(_ environment: [String: String]) async -> HTTPError? {
            let client = CurlClient(HTTPClientConfiguration(proxy: .none), environment: environment)
            do throws(HTTPError) {
                let request = HTTPClientRequest(url: server.url(), mode: mode)
                let body = try await client.send(request, upTo: 2).body
                #expect(body == Array("ok".utf8))
                return nil
            } catch {
                return error
            }
        }
        #expect(await error(["SSL_CERT_FILE": file]) == nil)
        #expect(await error(["SSL_CERT_FILE": file, "SSL_CERT_DIR": folder.path("cas")]) == nil)
        #expect(await error(["SSL_CERT_DIR": "\(folder.path("cas")):\(folder.path("mine"))"]) == nil)
        #expect(await error(["SSL_CERT_DIR": "/no/folder::\(folder.path("mine"))"]) == nil)
        #expect(await error(["SSL_CERT_DIR": folder.path("cas")])?.code == .certificateUntrusted)
        #expect(await error(["SSL_CERT_FILE": "", "SSL_CERT_DIR": ""])?.code == .certificateUntrusted)
        let missing = await error(["SSL_CERT_FILE": "/no/ca.crt"])
        #expect(missing?.code == .caInvalid)
        #expect(
            missing?.description.contains("SSL_CERT_FILE names /no/ca.crt: No such file or directory") == true
        )
        let empty = await error(["SSL_CERT_FILE": folder.path("cas/README")])
        #expect(empty?.description.contains("holds no certificate that can be read") == true)
        let folders = await error(["SSL_CERT_DIR": "/no/a:/no/b"])
        #expect(folders?.code == .caInvalid)
        #expect(folders?.description.contains("SSL_CERT_DIR names /no/a: No such file or directory") == true)
    }

    /// A rotated CA is used from the next connection on.
    @Test func readsAChangedCAFileAgain() async throws {
        let server = try await TLSServer()
        let folder = try TemporaryFolder()
        let path = try folder.write("ca.pem", server.certificates.pem("unrelated.crt"))
        let client = try server.client { $0.trust = .file(path) }
        #expect(await failure(client, server.url(), .unary)?.code == .certificateUntrusted)
        try folder.write("ca.pem", server.certificates.pem("ca.crt") + [0x0A])
        #expect(
            try await client.send(HTTPClientRequest(url: server.url()), upTo: 2).body == Array("ok".utf8))
        try folder.remove("ca.pem")
        let error = await failure(client, server.url(), .unary)
        #expect(error?.code == .caInvalid)
        #expect(error?.description.contains(path) == true)
    }

    @Test func doesNotDelayUnaryRequestsByAPausedStream() async throws {
        let large = [UInt8](repeating: 0x78, count: 40 << 20)
        let streams = try await TLSServer(for: .streaming, files: ["large": large])
        let server = try await TLSServer()
        let client = try server.client()
        let request = HTTPClientRequest(url: streams.url("large"), mode: .streaming, timeout: nil)
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

    @Test func uploadsLargeBodiesOverHTTP2() async throws {
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
