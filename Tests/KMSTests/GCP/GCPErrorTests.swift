import Cryptography
import Envelope
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// Maps the errors of Cloud KMS to those of a key manager.
struct GCPErrorTests {
    private func failure(_ response: FakeTransport.Response) async throws -> (KeyManagerError?, attempts: Int)
    {
        let transport = fakeGCP(["decrypt": { _ in response }])
        let manager = try gcpKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(gcpRecipient, for: sampleBinding)
        }
        return (error, transport.gcpOperations.filter { $0 == "decrypt" }.count)
    }

    private func check(
        _ response: FakeTransport.Response, _ code: KeyManagerError.Code, _ expected: String, _ attempts: Int
    ) async throws {
        let (error, seen) = try await failure(response)
        #expect(error?.code == code)
        let message = error?.message ?? ""
        #expect(message.contains(expected), "\(message)")
        #expect(!message.contains("canary"), "\(message)")
        #expect(!message.contains("\n"))
        #expect(seen == attempts)
    }

    @Test(arguments: [
        (401, "UNAUTHENTICATED", KeyManagerError.Code.accessDenied, "rejects the access token", 1),
        (400, "INVALID_ARGUMENT", .invalidCiphertext, "another namespace, name or scope", 1),
        (400, "FAILED_PRECONDITION", .keyUnavailable, "is not enabled, or there is no primary version", 1),
        (404, "NOT_FOUND", .keyUnavailable, "cannot find the key", 1),
        (429, "RESOURCE_EXHAUSTED", .throttled, "throttles this project", 3),
        (503, "UNAVAILABLE", .unavailable, "HTTP 503 UNAVAILABLE", 3),
        (504, "DEADLINE_EXCEEDED", .unavailable, "will be retried", 3),
        (500, "INTERNAL", .unavailable, "HTTP 500 INTERNAL", 3),
        (409, "ABORTED", .unavailable, "ABORTED", 3),
        (501, "UNIMPLEMENTED", .misconfigured, "UNIMPLEMENTED", 1),
        (400, "SOMETHING_NEW", .misconfigured, "Cloud Audit Logs", 1),
    ])
    func mapsStatusesToKeyManagerErrors(
        status: Int, name: String, code: KeyManagerError.Code, expected: String, attempts: Int
    ) async throws {
        try await check(.gcpError(status, name), code, expected, attempts)
    }

    @Test(arguments: [
        ("IAM_PERMISSION_DENIED", "grant roles/cloudkms.cryptoKeyDecrypter on the key"),
        ("SERVICE_DISABLED", "enable cloudkms.googleapis.com"),
        ("USER_PROJECT_DENIED", "roles/serviceusage.serviceUsageConsumer"),
        ("BILLING_DISABLED", "billing"), ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "scope cloud-platform"),
        ("SECURITY_POLICY_VIOLATED", "VPC Service Controls"),
    ])
    func namesTheRemedyOfADenial(reason: String, expected: String) async throws {
        try await check(.gcpError(403, "PERMISSION_DENIED", reason: reason), .accessDenied, expected, 1)
    }

    @Test(arguments: [
        ("KEY_DISABLED", "is disabled; enable it"), ("KEY_DESTROYED", "is destroyed"),
        ("KEY_DESTROY_SCHEDULED", "scheduled for destruction; restore"),
    ])
    func namesTheStateOfTheVersion(violation: String, expected: String) async throws {
        try await check(
            .gcpError(400, "FAILED_PRECONDITION", violation: violation), .keyUnavailable, expected, 1)
    }

    /// A request that the API cannot parse says nothing about the ciphertext.
    @Test func aMalformedRequestIsNotAnInvalidCiphertext() async throws {
        let response = FakeTransport.Response.json(
            [
                "error": [
                    "code": 400, "status": "INVALID_ARGUMENT", "message": "canary",
                    "details": [["@type": "type.googleapis.com/google.rpc.BadRequest"]],
                ]
            ], 400)
        try await check(response, .misconfigured, "INVALID_ARGUMENT", 1)
    }

    @Test(arguments: [
        (404, KeyManagerError.Code.misconfigured, "is not Cloud KMS", 1),
        (403, .misconfigured, "SB_KMS_GCP_ENDPOINT", 1),
        (302, .misconfigured, "is not Cloud KMS", 1), (429, .throttled, "HTTP 429", 3),
        (502, .unavailable, "HTTP 502", 3),
    ])
    func mapsResponsesOfAProxy(
        status: Int, code: KeyManagerError.Code, expected: String, attempts: Int
    ) async throws {
        try await check(.init(status, "<html>canary</html>"), code, expected, attempts)
    }

    @Test(arguments: [
        #"{}"#, #"{"plaintext":""}"#, #"{"plaintext":"a b","plaintextCrc32c":"1"}"#, "[]", "<html>", "",
    ])
    func rejectsAMalformedResponse(body: String) async throws {
        let (error, _) = try await failure(.init(200, body))
        #expect(error?.code == .unavailable)
    }

    @Test func passesOnRetryAfter() async throws {
        let (error, attempts) = try await failure(
            .gcpError(429, "RESOURCE_EXHAUSTED", fields: [.retryAfter: "120"]))
        #expect(error?.retryAfter == .seconds(120))
        #expect(attempts == 1)
    }

    @Test func passesOnRetryAfterOfAProxy() async throws {
        let (error, attempts) = try await failure(
            .init(429, "<html>canary</html>", fields: [.retryAfter: "120"]))
        #expect(error?.retryAfter == .seconds(120))
        #expect(attempts == 1)
    }

    /// A disabled API fails for all ciphertexts. A denial by IAM may have a condition on one.
    @Test(arguments: [
        ("SERVICE_DISABLED", true), ("USER_PROJECT_DENIED", true), ("IAM_PERMISSION_DENIED", false),
    ])
    func tellsDenialsOfAllRequestsFromThoseOfOne(reason: String, concernsAll: Bool) async throws {
        let manager = try gcpKeyManager(
            fakeGCP(["decrypt": { _ in .gcpError(403, "PERMISSION_DENIED", reason: reason) }]))
        let request = UnwrapRequest(gcpRecipient, sampleBinding)
        let error = await keyManagerError { () throws(KeyManagerError) in
            _ = try await manager.unwrap([request], timeout: nil)
        }
        #expect((error != nil) == concernsAll)
    }

    @Test(arguments: [
        (HTTPError.Code.nameNotResolved, KeyManagerError.Code.unavailable), (.connectFailed, .unavailable),
        (.timedOut, .unavailable), (.certificateUntrusted, .misconfigured), (.cancelled, .cancelled),
        (.protocolError, .unavailable),
    ])
    func mapsErrorsOfTheTransport(code: HTTPError.Code, expected: KeyManagerError.Code) async throws {
        let manager = try gcpKeyManager(
            FakeTransport { _ in throw HTTPError(code, activity: "POST https://k") })
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(gcpRecipient, for: sampleBinding)
        }
        #expect(error?.code == expected)
    }
}

/// Unwrapping behind the circuit breaker.
struct GCPUnwrappingTests {
    @Test(arguments: [
        ("PERMISSION_DENIED", 403), ("INVALID_ARGUMENT", 400), ("FAILED_PRECONDITION", 400),
        ("NOT_FOUND", 404),
        ("RESOURCE_EXHAUSTED", 429),
    ])
    func oneInvalidCiphertextDoesNotAffectOthers(name: String, status: Int) async throws {
        let bad = try Base64OfBinding("bad")
        let transport = fakeGCP([
            "decrypt": { body in
                body["additionalAuthenticatedData"]?.string == bad.text
                    ? .gcpError(status, name, fields: [.retryAfter: "0"]) : .gcpDecrypted()
            }
        ])
        let manager = BatchingKeyManager(try gcpKeyManager(transport))
        for index in 0..<5 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(gcpRecipient, for: bad.binding)
            }
            #expect(error != nil)
            _ = try await manager.unwrap(gcpRecipient, for: binding("good\(index)"))
        }
    }

    private struct Base64OfBinding {
        let binding: Binding
        let text: String

        init(_ name: String) throws {
            binding = try KMSTests.binding(name)
            text = Base64.encode(binding.bytes)
        }
    }

    @Test func anOutageOpensTheCircuitBreaker() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpError(503, "UNAVAILABLE") }])
        let manager = BatchingKeyManager(try gcpKeyManager(transport))
        for index in 0..<20 {
            _ = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(gcpRecipient, for: bindingNamed("s\(index)"))
            }
        }
        // Not each of the twenty is sent, three times.
        #expect(transport.gcpOperations.filter { $0 == "decrypt" }.count < 20)
    }

    @Test(.timeLimit(.minutes(1))) func reportsThatADisabledVersionWorksAgain() async throws {
        let isEnabled = Locked(false)
        let transport = fakeGCP([
            "decrypt": { _ in
                isEnabled.withLock { $0 }
                    ? .gcpDecrypted() : .gcpError(400, "FAILED_PRECONDITION", violation: "KEY_DISABLED")
            }
        ])
        let manager = try gcpKeyManager(transport)
        let recovered = Gate()
        let watch = Task { await manager.maintain { recovered.open() } }
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(gcpRecipient, for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        isEnabled.withLock { $0 = true }
        _ = try await manager.unwrap(gcpRecipient, for: sampleBinding)
        await recovered.wait()
        watch.cancel()
        await watch.value
    }
}
