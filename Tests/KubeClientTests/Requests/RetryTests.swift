import Cryptography
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KubeClient

/// Which requests are retried, how often and with which delays.
@Suite struct RetryTests {
    private let ref = ObjectRef(namespace: "n", name: "a")
    private let pauses = Recorder<Duration>()
    private let body = SharedSecret(copying: "{}".utf8)
    private static let ok = FakeTransport.Response(200, #"{"metadata":{"namespace":"n","name":"a"}}"#)

    private func client(
        _ script: [FakeTransport.Response], credentials: any CredentialSource = StaticCredential.none
    ) -> (KubeClient, FakeTransport) {
        let transport = FakeTransport(script: script)
        return (KubeClient(transport, credentials: credentials, pauses: pauses), transport)
    }

    @Test(arguments: [429, 500, 502, 503, 504]) func retriesReads(code: Int) async throws {
        let (client, transport) = client([.init(code, "oops"), .init(code, "oops"), Self.ok])
        _ = try await client.get(SecretMetadata.self, ref)
        #expect(transport.requests.count == 3)
        #expect(pauses.elements.count == 2)
        #expect(pauses.elements.allSatisfy { $0 <= .seconds(2) })
    }

    @Test func retriesReadsAfterConnectionErrors() async throws {
        let count = Locked(0)
        let transport = FakeTransport { _ in
            let attempt = count.withLock {
                $0 += 1
                return $0
            }
            guard attempt == 3 else { throw HTTPError(.connectFailed, activity: "GET https://api.test") }
            return Self.ok
        }
        _ = try await KubeClient(transport, pauses: pauses).get(SecretMetadata.self, ref)
        #expect(transport.requests.count == 3)
    }

    @Test func givesUpAfterFourAttempts() async {
        let (client, transport) = client([FakeTransport.Response](repeating: .init(503, ""), count: 9))
        let error = await failure { () throws(KubeError) in try await client.get(SecretMetadata.self, ref) }
        #expect(error?.code == .unavailable)
        #expect(transport.requests.count == 4)
    }

    @Test(arguments: [400, 403, 404, 409, 410, 422]) func doesNotRetryTerminalErrors(code: Int) async {
        let (client, transport) = client([.init(code, ""), Self.ok])
        _ = await failure { () throws(KubeError) in try await client.get(SecretMetadata.self, ref) }
        #expect(transport.requests.count == 1)
    }

    @Test(arguments: [500, 502, 503, 504]) func doesNotRetryWritesThatMayHaveBeenApplied(code: Int) async {
        let (client, transport) = client([.init(code, ""), Self.ok])
        let error = await failure { () throws(KubeError) in
            try await client.create(.secrets, ref, body: body)
        }
        #expect(error?.isRetryable == true, "the caller may retry")
        #expect(transport.requests.count == 1)
    }

    @Test func retriesThrottledWrites() async throws {
        let (client, transport) = client([.init(429, "", fields: [.retryAfter: "1"]), Self.ok])
        _ = try await client.create(.secrets, ref, body: body)
        #expect(transport.requests.map(\.text) == ["{}", "{}"])
        #expect(pauses.elements == [.seconds(1)])
    }

    @Test func leavesLongDelaysToTheCaller() async {
        let (client, transport) = client([.init(429, "", fields: [.retryAfter: "30"]), Self.ok])
        let error = await failure { () throws(KubeError) in try await client.get(SecretMetadata.self, ref) }
        #expect(error?.code == .tooManyRequests)
        #expect(error?.retryAfter == .seconds(30))
        #expect(transport.requests.count == 1)
    }

    @Test func renewsARefusedCredentialOnce() async throws {
        let refused = FakeTransport.Response.status(401, "Unauthorized")
        let (client, transport) = client([refused, Self.ok], credentials: Renewing())
        _ = try await client.create(.secrets, ref, body: body)
        #expect(transport.requests.map(\.authorization) == ["Bearer token-0", "Bearer token-1"])

        let (second, log) = self.client([refused, refused, Self.ok], credentials: Renewing())
        let error = await failure { () throws(KubeError) in try await second.get(SecretMetadata.self, ref) }
        #expect(error?.code == .unauthorized)
        #expect(log.requests.count == 2)
    }

    @Test func doesNotSendARefusedCredentialAgain() async {
        let (client, transport) = client([.status(401, "Unauthorized"), Self.ok])
        let error = await failure { () throws(KubeError) in try await client.get(SecretMetadata.self, ref) }
        #expect(error?.code == .unauthorized)
        #expect(transport.requests.count == 1)
    }

    @Test func throwsCancelledWhenTheTaskIsCancelled() async {
        let transport = FakeTransport { _ in .init(200, chunks: [], end: .stall) }
        let client = KubeClient(transport)
        let task = Task {
            await failure { () throws(KubeError) in try await client.get(SecretMetadata.self, ref) }
        }
        while transport.requests.isEmpty { await Task.yield() }
        task.cancel()
        #expect(await task.value?.code == .cancelled)
    }
}
