import Envelope
import Foundation
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

struct VaultLoginTokenSourceTests {
    private let folder: TemporaryFolder
    private let clock = Locked(ContinuousClock.now)

    init() throws {
        folder = try TemporaryFolder()
        try write("first-jwt\n")
    }

    private func write(_ jwt: String) throws { try folder.write("token", jwt) }

    private func login(_ transport: FakeTransport) throws -> VaultLoginTokenSource {
        VaultLoginTokenSource(
            .kubernetes(role: "sb", token: .file(folder.path("token"))), mount: "k8s/eu",
            client: VaultClient(try vaultEndpoint(), transport: transport)
        ) { [clock] in clock.withLock { $0 } }
    }

    private func advance(_ seconds: Double) { clock.withLock { $0 += .seconds(seconds) } }

    @Test func sendsRoleAndJWTWithoutAToken() async throws {
        let transport = FakeTransport { _ in loginResponse("s.one") }
        let source = try login(transport)
        #expect(try await source.token().value.text == "s.one")
        #expect(transport.requests.map(\.line) == ["POST /v1/auth/k8s/eu/login"])
        let request = try #require(transport.requests.first)
        #expect(try AnyJSON(request.body) == ["role": "sb", "jwt": "first-jwt"])
        #expect(request.secrets.isEmpty)
    }

    @Test func logsInOnceForAllTasksThatWait() async throws {
        let gate = Gate()
        let transport = FakeTransport { _ in
            await gate.wait()
            return loginResponse("s.one")
        }
        let source = try login(transport)
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<50 { group.addTask { try await source.token().value.text } }
            gate.open()
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(tokens == ["s.one"])
        #expect(transport.requests.count == 1)
    }

    @Test func aCancelledTaskDoesNotCancelTheLogin() async throws {
        let gate = Gate()
        let started = Recorder<Int>()
        let transport = FakeTransport { _ in
            started.append(1)
            await gate.wait()
            return loginResponse("s.one")
        }
        let source = try login(transport)
        let waiter = Task { try await source.token() }
        await started.wait(for: 1)
        let other = Task { try await source.token().value.text }
        for _ in 0..<100 { await Task.yield() }
        waiter.cancel()
        await #expect(throws: VaultError(.cancelled, "cancelled while waiting for a Vault token")) {
            _ = try await waiter.value
        }
        gate.open()
        #expect(try await other.value == "s.one")
        #expect(try await source.token().value.text == "s.one")
        #expect(transport.requests.count == 1)
    }

    @Test func throwsInATaskThatIsAlreadyCancelled() async throws {
        let gate = Gate()
        let source = try login(
            FakeTransport { _ in
                await gate.wait()
                return loginResponse("s.one")
            })
        let waiter = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await source.token()
        }
        await #expect(throws: VaultError.self) { _ = try await waiter.value }
        gate.open()
    }

    @Test func readsTheServiceAccountTokenAtEachLogin() async throws {
        let transport = FakeTransport { request in
            loginResponse(request.text.contains("second-jwt") ? "s.two" : "s.one", seconds: 10)
        }
        let source = try login(transport)
        #expect(try await source.token().value.text == "s.one")
        try write("second-jwt")
        advance(11)
        #expect(try await source.token().value.text == "s.two")
    }

    @Test func renewsTheTokenWithItselfAndKeepsIt() async throws {
        let renewed = Recorder<String>()
        let transport = FakeTransport { request in
            guard request.path.hasSuffix("renew-self") else { return loginResponse("s.one", seconds: 100) }
            renewed.append(request.secrets.values.joined())
            return loginResponse("s.one", seconds: 100)
        }
        let source = try login(transport)
        let first = try await source.token()
        advance(75)
        #expect(try await source.token().generation == first.generation)
        await renewed.wait(for: 1)
        #expect(renewed.elements == ["s.one"])
    }

    /// The token expires while its renewal is in flight.
    @Test(arguments: [
        (200, ""), (403, "permission denied"),
        (500, "1 error occurred:\\n\\t* past the max TTL, cannot renew\\n\\n"),
    ])
    func logsInForTasksThatWaitForARejectedRenewal(status: Int, text: String) async throws {
        let gate = Gate()
        let tokens = Locked(["s.two", "s.one"])
        let transport = FakeTransport { request in
            guard request.path.hasSuffix("renew-self") else {
                return loginResponse(tokens.withLock { $0.popLast() } ?? "none", seconds: 100)
            }
            await gate.wait()
            guard status != 200 else { return loginResponse("s.one", seconds: 0) }
            return .init(status, #"{"errors":["\#(text)"]}"#)
        }
        let source = try login(transport)
        _ = try await source.token()
        advance(75)
        _ = try await source.token()
        advance(30)
        async let waited = source.token()
        // Makes it likely that the task waits already.
        try await Task.sleep(for: .milliseconds(50))
        gate.open()
        #expect(try await waited.value.text == "s.two")
    }

    @Test func repeatsTheLastFailureUntilTheNextLoginIsDue() async throws {
        let responses = Locked([
            FakeTransport.Response(503, #"{"errors":["Vault is sealed"]}"#),
            FakeTransport.Response(400, #"{"errors":["invalid role name \"canary\""]}"#),
        ])
        let transport = FakeTransport { _ in
            responses.withLock { $0.isEmpty ? nil : $0.removeFirst() } ?? loginResponse("s.one")
        }
        let source = try login(transport)
        let sealed = await failure(source)
        #expect(sealed?.code == .sealed)
        #expect(await failure(source)?.code == .sealed)
        #expect(transport.requests.count == 1)
        advance(2.5)
        let rejected = await failure(source)
        #expect(rejected?.code == .loginRejected)
        #expect(rejected?.message.contains("SB_KMS_VAULT_ROLE") == true)
        #expect(rejected?.message.contains("canary") == false)
        advance(61)
        #expect(try await source.token().value.text == "s.one")
    }

    @Test func namesAMissingFile() async throws {
        try folder.remove("token")
        let error = await failure(try login(FakeTransport { _ in loginResponse("s.one") }))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains(folder.path("token")) == true)
    }

    @Test(arguments: [
        "{}", #"{"auth":null}"#, #"{"auth":{"client_token":"","lease_duration":1}}"#, "<html>",
        #"{"auth":{"client_token":"a b","lease_duration":1}}"#,
        #"{"auth":{"client_token":"a\r\nX: y","lease_duration":1}}"#,
        #"{"auth":{"client_token":"t","lease_duration":-1}}"#, #"{"auth":{"client_token":"t"}}"#,
    ])
    func rejectsAResponseWithoutAToken(body: String) async throws {
        #expect(await failure(try login(FakeTransport { _ in .init(200, body) }))?.code == .serverError)
    }

    private func failure(_ source: VaultLoginTokenSource) async -> VaultError? {
        do {
            _ = try await source.token()
            return nil
        } catch {
            return error
        }
    }
}

struct VaultTokenFileTests {
    @Test func readsTheFileAgainWhenItChanges() async throws {
        let folder = try TemporaryFolder()
        let source = VaultTokenFileSource(path: folder.path("token"))
        await #expect(throws: VaultError.self) { _ = try await source.token() }
        try folder.write("token", "one\n")
        let first = try await source.token()
        #expect(first.value.text == "one")
        #expect(!source.recordDenial(first, at: "transit/decrypt/sb-wrap"))
        try folder.write("token", "second")
        #expect(source.recordDenial(first, at: "transit/decrypt/sb-wrap"))
        #expect(try await source.token().value.text == "second")
        try folder.remove("token")
        #expect(try await source.token().value.text == "second")
    }
}

func vaultEndpoint(_ url: String = "https://vault:8200", namespace: String? = nil) throws -> VaultEndpoint {
    VaultEndpoint(address: try #require(ServerAddress(url)), namespace: namespace)
}

func loginResponse(_ token: String, seconds: Int = 3600, isRenewable: Bool = true) -> FakeTransport.Response {
    .init(
        200,
        #"{"request_id":"r","auth":{"client_token":"\#(token)","lease_duration":\#(seconds),"#
            + #""renewable":\#(isRenewable),"token_type":"service"}}"#)
}

/// Blocks tasks until it is opened.
final class Gate: Sendable {
    private let opened = Recorder<Int>()
    func open() { opened.append(1) }
    func wait() async { await opened.wait(for: 1) }
}

extension IdentityTokenSource where Self == IdentityTokenFile {
    /// The token of a file, as Kubernetes mounts one.
    static func file(_ path: String) -> IdentityTokenFile {
        IdentityTokenFile(
            path: path, name: "the service account's token", setting: VaultVariables.serviceAccountTokenFile)
    }
}
