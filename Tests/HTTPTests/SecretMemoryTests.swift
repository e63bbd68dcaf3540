import Cryptography
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

/// Searches the memory of this process for secrets that were sent over HTTP/1.1. (For HTTP/2 see
/// docs/adr/0002-http-on-libcurl-multi.md.)
@Suite(.timeLimit(.minutes(5)))
struct SecretMemoryTests {
    @Test(arguments: [HTTPClientRequest.TransferMode.unary, .streaming])
    func leavesNoSecretInMemoryAfterTheRequest(mode: HTTPClientRequest.TransferMode) async throws {
        // A small request arrives in one read, and the server must not keep it either.
        let server = try FakeServer { connection in
            while connection.readAndWipe() > 0 {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let client = CurlClient(environment: [:])
        // The search pattern is the one copy that may be found.
        let pattern = Self.canary()
        for _ in 0..<5 {
            let request = HTTPClientRequest(
                method: .post, url: server.url,
                secretFields: [.init(name: .authorization, value: Self.copy(of: pattern))],
                body: .secret(Self.copy(of: pattern)), mode: mode)
            #expect(try await client.send(request, upTo: 0).head.status == .ok)
        }
        await client.shutdown()
        #expect(try ProcessMemory().copies(of: pattern).count == 1)
        let other = Self.copy(of: pattern)
        #expect(try ProcessMemory().copies(of: pattern).count == 2)
        withExtendedLifetime(other) {}
    }

    private static func canary() -> SharedSecret {
        SharedSecret(
            SecretBytes(count: 48) { bytes in
                bytes[0] = 0x7E
                for index in 1..<bytes.count { bytes[index] = UInt8.random(in: 0x21...0x7D) }
            })
    }

    private static func copy(of secret: SharedSecret) -> SharedSecret {
        SharedSecret(secret.bytes.withUnsafeBytes { SecretBytes(copying: $0) })
    }
}
