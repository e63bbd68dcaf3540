import Cryptography
import Envelope
import HTTP
import Settings
import System
import TestSupport
import Testing

@testable import KMS

struct KeyManagerObserverTests {
    private final class Observer: KeyManagerObserver {
        let requests = Recorder<String>()

        func requestCompleted(_ request: KeyManagerRequest.Completed) {
            let failures = request.failures.map { " \($0.rawValue)" }.joined()
            requests.append("\(request.backend) \(request.operation.rawValue) \(request.items)\(failures)")
        }
    }

    private let observer = Observer()

    @Test func observesLocalCallsAsRequestsOfOneItem() async throws {
        let settings = ["SB_WRAP_MASTER_KEY": Base64.encode([UInt8](repeating: 1, count: 32))]
        let key = try KeyRing.load(from: Environment(settings), observer: observer).primary
        let binding = try binding()
        let generated = try await key.generateDataKey(for: binding)
        let wrapped = try await key.wrap(generated.key, for: binding)
        _ = try await key.unwrap(wrapped, for: binding)
        _ = await keyManagerError { () throws(KeyManagerError) in
            try await key.unwrap(Recipient(keyID: key.keyID, wrappedKey: "AAAA"), for: binding)
        }
        #expect(
            observer.requests.elements == [
                "local generate_data_key 1", "local wrap 1", "local unwrap 1",
                "local unwrap 1 invalidCiphertext",
            ])
    }

    private func transit(
        _ respond: @escaping @Sendable (FakeTransport.Request) throws -> FakeTransport.Response
    )
        throws -> TransitKeyManager
    {
        let settings = try VaultSettings.load(
            from: Environment([
                "SB_KMS_VAULT_ADDR": "https://vault.test", "SB_KMS_VAULT_KEY": "sb-wrap",
                "SB_KMS_VAULT_TOKEN": "t",
            ]))
        return TransitKeyManager(settings, transport: FakeTransport(respond), observer: observer)
    }

    @Test func observesABatchAsOneRequestWithItsRejectedItems() async throws {
        let key = try transit { _ in
            .init(
                400,
                #"{"data":{"batch_results":[{"plaintext":"AAAA"},{"error":"cipher: message authentication failed"},"#
                    + #"{"plaintext":"AAAA"}]}}"#)
        }
        let recipient = Recipient(
            keyID: key.keyID, wrappedKey: "vault:v1:" + Base64.encode([UInt8](repeating: 0, count: 60)))
        let requests = try (0..<3).map { UnwrapRequest(recipient, try binding("s\($0)")) }
        #expect(try await key.unwrap(requests, timeout: nil).count == 3)
        #expect(observer.requests.elements == ["vault-transit unwrap 3 invalidCiphertext"])
    }

    @Test func observesEveryOperationAndNoLogins() async throws {
        let ciphertext = "vault:v1:" + Base64.encode([UInt8](repeating: 0, count: 60))
        let key = try transit { request in
            if request.path.contains("auth/token") { return .init(200, #"{"data":{}}"#) }
            if request.path.contains("rewrap") { return .init(503, #"{"errors":["Vault is sealed"]}"#) }
            return .init(200, #"{"data":{"plaintext":"AAAA","ciphertext":"\#(ciphertext)"}}"#)
        }
        let recipient = Recipient(keyID: key.keyID, wrappedKey: ciphertext)
        let binding = try binding()
        _ = try await key.generateDataKey(for: binding)
        _ = try await key.wrap(SharedSecret(copying: [1]), for: binding)
        _ = try await key.unwrap(recipient, for: binding)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await key.rewrap(recipient, for: binding)
        }
        #expect(error?.code == .unavailable)
        #expect(
            observer.requests.elements == [
                "vault-transit generate_data_key 1", "vault-transit wrap 1", "vault-transit unwrap 1",
                "vault-transit rewrap 1 unavailable",
            ])
    }

    @Test func observesFailuresWithoutAResponse() async throws {
        let key = try transit { _ in
            throw HTTPError(.connectFailed, activity: "connecting", detail: "refused")
        }
        let binding = try binding()
        _ = await keyManagerError { () throws(KeyManagerError) in try await key.generateDataKey(for: binding)
        }
        #expect(observer.requests.elements == ["vault-transit generate_data_key 1 unavailable"])
    }

    @Test func observesEachAttemptAtAWS() async throws {
        let answers = Locked<[FakeTransport.Response]>([
            .kmsError("KMSInternalException", status: 500), .decrypted(),
        ])
        let clock = ManualAWSClock()
        let manager = AWSKeyManager(
            try AWSSettings.load(from: Environment(["SB_KMS_AWS_KEY_ID": awsARN])),
            credentials: StaticCredentials(value: testCredentials()),
            transport: FakeTransport { _ in answers.withLock { $0.removeFirst() } }, clock: clock.clock,
            observer: observer)
        _ = try await manager.unwrap(awsRecipient, for: try binding())
        #expect(observer.requests.elements == ["aws-kms unwrap 1 unavailable", "aws-kms unwrap 1"])
    }

    @Test func derivesTheBackendFromTheKeyID() {
        for (keyID, backend) in [
            ("local:abc", "local"), ("vault-transit:ns/transit/key", "vault-transit"),
            ("arn:aws-cn:kms:cn-north-1:1:key/k", "aws-kms"), ("gcp-kms:projects/p", "gcp-kms"),
        ] {
            #expect(KeyManagerRequest.backend(ofKeyID: keyID) == backend)
        }
    }
}
