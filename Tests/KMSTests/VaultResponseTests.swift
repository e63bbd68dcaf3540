import Cryptography
import Envelope
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// The meaning of each response for a caller who needs a data key.
struct VaultResponseTests {
    private static let canary = "canary-that-vault-quotes"

    private func failure(
        _ response: FakeTransport.Response, namespace: String? = nil
    ) async throws -> KeyManagerError? {
        let manager = try transitKeyManager(FakeTransport { _ in response }, namespace: namespace)
        return await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(sampleRecipient, for: sampleBinding)
        }
    }

    @Test(arguments: [
        (
            400, "cipher: message authentication failed", KeyManagerError.Code.invalidCiphertext,
            "another namespace"
        ),
        (400, "invalid ciphertext: no prefix", .invalidCiphertext, "was changed"),
        (
            400, "ciphertext or signature version is disallowed by policy (too old)", .keyUnavailable,
            "min_decryption_version"
        ),
        (400, "invalid ciphertext: version is too new", .keyUnavailable, "newer than"),
        (400, "encryption key not found", .keyUnavailable, "has no key"),
        (400, "refusing to use soft-deleted key", .keyUnavailable, "restore it"),
        (400, "missing 'context' for key derivation", .misconfigured, "derived=true"),
        (400, "something new", .misconfigured, "audit log"),
        (
            403, "permission denied", .accessDenied,
            #"path "transit/decrypt/sb-wrap" { capabilities = ["update"] }"#
        ),
        (404, "no handler for route \\\"transit/decrypt/sb-wrap\\\"", .misconfigured, "SB_KMS_VAULT_MOUNT"),
        (404, "namespace not found", .misconfigured, "SB_KMS_VAULT_NAMESPACE"),
        (412, "required index state not present", .unavailable, "standby"),
        (413, "too large", .misconfigured, "size limit"),
        (429, "rate limit quota exceeded", .throttled, "quota"),
        (472, "", .unavailable, "standby"), (473, "", .unavailable, "standby"),
        (474, "", .unavailable, "standby"),
        (500, "local node not active but active cluster node not found", .unavailable, "standby"),
        (500, "1 error occurred:\\n\\t* past the max TTL, cannot renew\\n\\n", .accessDenied, "maximum age"),
        (500, "internal error", .unavailable, "HTTP 500"), (501, "", .unavailable, "not initialised"),
        (502, "", .unavailable, "HTTP 502"), (503, "Vault is sealed", .unavailable, "unseal"),
        (503, "overloaded", .unavailable, "HTTP 503"),
    ])
    func mapsAStatusToACodeAndARemedy(status: Int, text: String, code: KeyManagerError.Code, expected: String)
        async throws
    {
        let error = try await failure(
            .init(status, #"{"errors":["\#(text) \#(Self.canary)"]}"#), namespace: "team-a")
        #expect(error?.code == code)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(Self.canary) == false)
        #expect(error?.message.contains("\n") == false)
        #expect(error?.keyID == "vault-transit:team-a/transit/sb-wrap")
        #expect(error?.concernsOneCiphertext == text.contains("version"))
    }

    @Test func readsTheRetryAfterOfAThrottledRequest() async throws {
        let error = try await failure(.init(429, #"{"errors":[]}"#, fields: [.retryAfter: "7"]))
        #expect(error?.retryAfter == .seconds(7))
    }

    /// The page of a proxy, or of another program.
    @Test(arguments: [200, 400, 404])
    func recognisesPagesThatVaultDidNotSend(status: Int) async throws {
        let error = try await failure(.init(status, "<html>canary</html>"))
        #expect(error?.code == (status == 200 ? .unavailable : .misconfigured))
        #expect(
            error?.message.contains("is it Vault") == true || error?.message.contains("is not Vault") == true)
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{}", #"{"data":null}"#, #"{"data":{"plaintext":7}}"#,
        #"{"data":{"plaintext":""}}"#,
        #"{"data":{"plaintext":"not base64!"}}"#, #"{"data":{"plaintext":"QQ"}}"#,
        #"{"data":{"plaintext":"QUFB"}} x"#,
        #"{"data":{"plaintext":"QUFB","plaintext":"QUFB"}}"#,
    ])
    func rejectsAResponseWithoutAPlaintext(body: String) async throws {
        #expect(try await failure(.init(200, body))?.code == .unavailable)
    }

    @Test func findsThePlaintextInAnyJSONLayout() async throws {
        let manager = try transitKeyManager(
            FakeTransport { _ in
                .init(
                    200,
                    #" {"x":[{"plaintext":"no"}], "data" : {"a":1,"plaintext":"QUJD\u002b\/8=","b":{}},"z":null}"#
                )
            })
        let key = try await manager.unwrap(sampleRecipient, for: sampleBinding).key
        #expect(key.bytes.withUnsafeBytes { Array($0) } == [65, 66, 67, 251, 255])
    }

    @Test func sendsTokenNamespaceAndContext() async throws {
        let transport = FakeTransport { _ in .init(200, #"{"data":{"plaintext":"QUJD"}}"#) }
        _ = try await transitKeyManager(transport, namespace: "team-a").unwrap(
            sampleRecipient, for: sampleBinding)
        let request = try #require(transport.requests.first)
        #expect(request.line == "POST /v1/transit/decrypt/sb-wrap")
        #expect(request.fields[HTTPField.Name("X-Vault-Request")!] == "true")
        #expect(request.fields[HTTPField.Name("X-Vault-Namespace")!] == "team-a")
        #expect(request.secrets == [HTTPField.Name("X-Vault-Token")!: "s.token"])
        #expect(request.authorization == nil)
        #expect(
            try AnyJSON(request.body)
                == [
                    "ciphertext": .string(sampleRecipient.wrappedKey),
                    "context": .string(Base64.encode(sampleBinding.bytes)),
                ])
    }

    /// Vault cannot have returned such a ciphertext.
    @Test(arguments: ["vault:v1:!", "vault:v1:AAAA/../../sys", "x", "vault:v0:AAAA"])
    func rejectsAnInvalidCiphertextWithoutARequest(wrapped: String) async throws {
        let transport = FakeTransport { _ in .init(200, "{}") }
        let manager = try transitKeyManager(transport)
        let recipient = Recipient(keyID: manager.keyID, wrappedKey: wrapped)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(recipient, for: sampleBinding)
        }
        #expect(error?.code == .invalidCiphertext)
        #expect(transport.requests.isEmpty)
    }

    @Test func retriesARedirectToTheSameOriginOnly() async throws {
        let script = Locked(["https://vault:8200/v1/x", "https://VAULT:8200"])
        let transport = FakeTransport { _ in
            guard let location = script.withLock({ $0.popLast() }) else {
                return .init(200, #"{"data":{"plaintext":"QUJD"}}"#)
            }
            return .init(307, "", fields: [.location: location])
        }
        _ = try await transitKeyManager(transport).unwrap(sampleRecipient, for: sampleBinding)
        #expect(transport.requests.map(\.path) == Array(repeating: "/v1/transit/decrypt/sb-wrap", count: 3))
        for elsewhere in ["https://other:8200/v1/transit/decrypt/sb-wrap", "http://vault:8200/", "/v1/x", ""]
        {
            let transport = FakeTransport { _ in .init(307, "", fields: [.location: elsewhere]) }
            let manager = try transitKeyManager(transport)
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(sampleRecipient, for: sampleBinding)
            }
            #expect(error?.message.contains(elsewhere.isEmpty ? "standby" : "redirects to") == true)
            #expect(transport.requests.count == 1)
        }
    }

    @Test(arguments: [
        (HTTPError.Code.connectFailed, KeyManagerError.Code.unavailable), (.nameNotResolved, .unavailable),
        (.timedOut, .unavailable), (.certificateUntrusted, .misconfigured), (.tlsFailed, .unavailable),
        (.certificateNameMismatch, .misconfigured), (.cancelled, .cancelled), (.protocolError, .unavailable),
    ])
    func mapsAnErrorOfTheTransport(code: HTTPError.Code, expected: KeyManagerError.Code) async throws {
        let manager = try transitKeyManager(
            FakeTransport { _ in throw HTTPError(code, activity: "POST https://vault:8200") })
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(sampleRecipient, for: sampleBinding)
        }
        #expect(error?.code == expected)
    }
}

let sampleRecipient = Recipient(
    keyID: "vault-transit:transit/sb-wrap", wrappedKey: "vault:v1:8SDd3WHDOjf7mq69")
let sampleBinding = makeSampleBinding()

private func makeSampleBinding() -> Binding {
    guard let binding = try? binding() else { preconditionFailure("the sample binding is invalid") }
    return binding
}

func transitKeyManager(_ transport: any HTTPTransport, namespace: String? = nil) throws -> TransitKeyManager {
    TransitKeyManager(
        VaultSettings(
            address: try vaultEndpoint().address, mount: "transit", key: "sb-wrap", name: nil,
            namespace: namespace,
            authentication: .token(SharedSecret(copying: "s.token".utf8))),
        transport: transport)
}
