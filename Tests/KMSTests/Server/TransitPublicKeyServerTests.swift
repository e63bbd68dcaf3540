import Cryptography
import Envelope
import TestSupport
import Testing

@testable import KMS

/// RSA keys of a real server: this process wraps with the public key, and the server unwraps.
@Suite(.enabled(if: OpenBao.isAvailable), .serialized)
struct TransitPublicKeyServerTests {
    private func server(_ type: String = "rsa-3072") async throws -> OpenBao {
        let bao = try await OpenBao()
        try await bao.post("transit/keys/sb-rsa", ["type": .string(type)])
        return bao
    }

    private func offline(_ key: RecipientKey) async throws -> DataKey {
        try await RecipientKeyManager(key).generateDataKey(for: sampleBinding)
    }

    @Test(arguments: ["rsa-3072", "rsa-4096"])
    func unwrapsWhatThePublicKeyWrapped(type: String) async throws {
        let bao = try await server(type)
        let manager = try bao.manager(key: "sb-rsa")
        let key = try await manager.exportPublicKey()
        #expect(key.keyID == "vault-transit:transit/sb-rsa")
        #expect(key.keyVersion == "1")
        let wrapped = try await offline(key)
        let unwrapped = try await manager.unwrap(wrapped.recipient, for: sampleBinding)
        #expect(unwrapped.key.equals(wrapped.key))
        #expect(unwrapped.keyVersion == "1")
    }

    @Test func exportsTheNewestVersion() async throws {
        let bao = try await server()
        let manager = try bao.manager(key: "sb-rsa")
        let first = try await manager.exportPublicKey()
        try await bao.post("transit/keys/sb-rsa/rotate")
        let second = try await manager.exportPublicKey()
        #expect(second.keyVersion == "2")
        #expect(second.fingerprint != first.fingerprint)
        for key in [first, second] {
            let wrapped = try await offline(key)
            #expect(try await manager.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
        }
    }

    @Test func theServerWrapsWithTheSameAlgorithm() async throws {
        let bao = try await server()
        let manager = try bao.manager(key: "sb-rsa")
        let generated = try await manager.generateDataKey(for: sampleBinding)
        #expect(generated.recipient.algorithm == "RSA-OAEP-256")
        #expect(try await manager.unwrap(generated.recipient, for: sampleBinding).key.equals(generated.key))
        let wrapped = try await manager.wrap(generated.key, for: sampleBinding)
        #expect(wrapped.algorithm == "RSA-OAEP-256")
        #expect(await manager.selfTest() == .passed)
    }

    @Test func rewrapsWithTheNewestVersion() async throws {
        let bao = try await server()
        let manager = try bao.manager(key: "sb-rsa")
        let wrapped = try await offline(try await manager.exportPublicKey())
        try await bao.post("transit/keys/sb-rsa/rotate")
        let results = await (manager as any KeyManager).rewrap(
            [wrapped.recipient, wrapped.recipient].map { BoundRecipient($0, for: sampleBinding) })
        for result in results {
            let moved = try result.get()
            #expect(moved.keyVersion == "2")
            #expect(moved.algorithm == "RSA-OAEP-256")
            #expect(try await manager.unwrap(moved, for: sampleBinding).key.equals(wrapped.key))
        }
    }

    @Test func aForgedItemOfABatchFailsAlone() async throws {
        let bao = try await server()
        let manager = try bao.manager(key: "sb-rsa")
        let key = try await manager.exportPublicKey()
        var requests: [UnwrapRequest] = []
        for index in 0..<5 {
            var recipient = try await offline(key).recipient
            if index == 2 {
                recipient.wrappedKey = "vault:v1:" + Base64.encode(try randomBytes(count: 384))
            }
            requests.append(UnwrapRequest(recipient, sampleBinding))
        }
        let before = try bao.requests("transit/decrypt/sb-rsa")
        let results = try await manager.unwrap(requests, timeout: nil)
        #expect(results.map(\.code) == [nil, nil, .invalidCiphertext, nil, nil])
        #expect(try bao.requests("transit/decrypt/sb-rsa") == before + 1)
    }

    /// The server rejects it with the status 500, which must not count as an outage.
    @Test func aForgedCiphertextAloneIsInvalidAndNoOutage() async throws {
        let bao = try await server()
        let manager = try bao.manager(key: "sb-rsa")
        let forged = Recipient(
            keyID: manager.keyID, wrappedKey: "vault:v1:" + Base64.encode(try randomBytes(count: 384)),
            algorithm: "RSA-OAEP-256")
        let results = try await manager.unwrap([UnwrapRequest(forged, sampleBinding)], timeout: nil)
        #expect(results.map(\.code) == [.invalidCiphertext])
    }

    @Test func rejectsAnAlgorithmThatIsNotThatOfTheWrappedKey() async throws {
        let bao = try await server()
        try await bao.makeKey(isDerived: false)
        let (rsa, symmetric) = (try bao.manager(key: "sb-rsa"), try bao.manager())
        var wrapped = try await offline(try await rsa.exportPublicKey()).recipient
        wrapped.algorithm = nil
        var generated = try await symmetric.generateDataKey(for: sampleBinding).recipient
        generated.algorithm = "RSA-OAEP-256"
        for (manager, recipient) in [(rsa, wrapped), (symmetric, generated)] {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(recipient, for: sampleBinding)
            }
            #expect(error?.code == .invalidCiphertext)
        }
        #expect(try bao.requests("transit/decrypt/sb-rsa") == 0)
        #expect(try bao.requests("transit/decrypt/sb-wrap") == 0)
    }

    /// The key of the settings was replaced by one of the other type.
    @Test func rejectsAWrappedKeyOfTheOtherTypeOfKey() async throws {
        let bao = try await server()
        try await bao.makeKey(isDerived: false)
        let (rsa, symmetric) = (try bao.manager(key: "sb-rsa"), try bao.manager())
        let wrapped = try await offline(try await rsa.exportPublicKey()).recipient
        let generated = try await symmetric.generateDataKey(for: sampleBinding).recipient
        for (manager, foreign) in [(symmetric, wrapped), (rsa, generated)] {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(foreign, for: sampleBinding)
            }
            #expect(error?.code == .invalidCiphertext)
        }
    }

    @Test func exportsNeitherSymmetricNorSmallKeys() async throws {
        let bao = try await server("rsa-2048")
        try await bao.makeKey()
        try await bao.post("transit/keys/signing", ["type": "ecdsa-p256"])
        for key in ["sb-wrap", "sb-rsa", "signing"] {
            let manager = try bao.manager(key: key)
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.exportPublicKey()
            }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains("rsa-3072 or rsa-4096") == true)
        }
        let small = try bao.manager(key: "sb-rsa")
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await small.generateDataKey(for: sampleBinding)
        }
        #expect(error?.message.contains("2048 bits") == true)
    }

    @Test func aMissingPermissionToReadTheKeyIsNamed() async throws {
        let bao = try await server()
        try await bao.makePolicy("controller", "transit/decrypt/sb-rsa")
        let manager = try await bao.manager(
            ["SB_KMS_VAULT_TOKEN": bao.makeToken(policies: ["controller"])], key: "sb-rsa")
        let error = await keyManagerError { () throws(KeyManagerError) in try await manager.exportPublicKey()
        }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains(#"path "transit/keys/sb-rsa" { capabilities = ["read"] }"#) == true)
        guard case .unwrapsOnly = await manager.selfTest() else {
            Issue.record("the self-test: \(await manager.selfTest())")
            return
        }
    }
}
