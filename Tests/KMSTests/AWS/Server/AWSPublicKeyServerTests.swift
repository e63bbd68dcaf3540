import Cryptography
import Envelope
import TestSupport
import Testing

@testable import KMS

/// RSA keys of moto (hack/lib/aws_rsa.py): this process wraps with the public key, and KMS unwraps.
@Suite(.enabled(if: AWSPython.isAvailable), .serialized)
struct AWSPublicKeyServerTests {
    private func rsaKey(_ spec: String = "RSA_3072") async throws -> String {
        try await MotoKMS.server().createKey(options: "KeySpec='\(spec)', KeyUsage='ENCRYPT_DECRYPT'")
    }

    private func offline(_ key: RecipientKey) async throws -> DataKey {
        try await RecipientKeyManager(key).generateDataKey(for: sampleBinding)
    }

    private func failure<Value>(_ body: () async throws(KeyManagerError) -> Value) async -> KeyManagerError? {
        await keyManagerError(body)
    }

    @Test(arguments: ["RSA_3072", "RSA_4096"])
    func unwrapsWhatThePublicKeyWrapped(spec: String) async throws {
        let arn = try await rsaKey(spec)
        let manager = try await MotoKMS.server().manager(arn)
        let key = try await manager.exportPublicKey()
        #expect(key.keyID == arn)
        #expect(key.keyVersion == nil)
        let wrapped = try await offline(key)
        #expect(try await manager.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
        let batching = BatchingKeyManager(manager)
        #expect(try await batching.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
        #expect(try await (batching as any KeyManager).publicKey().fingerprint == key.fingerprint)
    }

    @Test func theOfficialClientDecryptsWhatThePublicKeyWrapped() async throws {
        let moto = try await MotoKMS.server()
        let arn = try await rsaKey()
        let key = try await moto.manager(arn).exportPublicKey()
        let recipient = try key.wrap(SharedSecret(copying: Array(0..<32)))
        let plaintext = try moto.python(
            """
            blob = base64.b64decode('\(recipient.wrappedKey)')
            opened = kms.decrypt(CiphertextBlob=blob, KeyId='\(arn)', EncryptionAlgorithm='RSAES_OAEP_SHA_256')
            print(opened['Plaintext'].hex(), end='')
            """)
        #expect(plaintext == hex(0..<32))
    }

    /// The official client and another implementation of RSA-OAEP prove the server.
    @Test func theServerDecryptsWhatPythonEncryptsWithTheExportedKey() async throws {
        let moto = try await MotoKMS.server()
        let arn = try await rsaKey()
        let wrapped = try moto.python(
            """
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import padding
            key = serialization.load_der_public_key(kms.get_public_key(KeyId='\(arn)')['PublicKey'])
            oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
            print(base64.b64encode(key.encrypt(bytes(range(32)), oaep)).decode(), end='')
            """)
        let recipient = Recipient(keyID: arn, wrappedKey: wrapped, algorithm: "RSA-OAEP-256")
        let unwrapped = try await moto.manager(arn).unwrap(recipient, for: sampleBinding)
        #expect(unwrapped.key.equals(SharedSecret(copying: Array(0..<32))))
    }

    @Test func aConfiguredRSAKeyWraps() async throws {
        let arn = try await rsaKey()
        let manager = try await MotoKMS.server().manager(arn)
        let generated = try await manager.generateDataKey(for: sampleBinding)
        #expect(generated.recipient.algorithm == "RSA-OAEP-256")
        #expect(generated.recipient.keyID == arn)
        let wrapped = try await manager.wrap(generated.key, for: sampleBinding)
        #expect(wrapped.algorithm == "RSA-OAEP-256")
        #expect(try await manager.unwrap(wrapped, for: sampleBinding).key.equals(generated.key))
        #expect(await manager.selfTest() == .passed)
    }

    /// The controller has the symmetric key; users without an identity wrap with another key of the account.
    @Test func aSymmetricKeyUnwrapsAndRewrapsRecipientsOfAnRSAKeyOfTheAccount() async throws {
        let moto = try await MotoKMS.server()
        let rsa = try await moto.manager(rsaKey()).exportPublicKey()
        let symmetric = try moto.createKey()
        let manager = try moto.manager(symmetric)
        let wrapped = try await offline(rsa)
        #expect(try await manager.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
        let moved = try await manager.rewrap(wrapped.recipient, for: sampleBinding)
        #expect(moved.keyID == symmetric)
        #expect(moved.algorithm == nil)
        #expect(try await manager.unwrap(moved, for: sampleBinding).key.equals(wrapped.key))
    }

    @Test func rejectsAnAlgorithmThatIsNotThatOfTheKey() async throws {
        let moto = try await MotoKMS.server()
        let arn = try await rsaKey()
        let manager = try moto.manager(arn)
        var wrapped = try await offline(try await manager.exportPublicKey()).recipient
        wrapped.algorithm = nil
        let unnamed = wrapped
        #expect(
            await failure { () throws(KeyManagerError) in
                try await manager.unwrap(unnamed, for: sampleBinding)
            }?
            .code == .invalidCiphertext)
        let symmetric = try moto.manager(try moto.createKey())
        var generated = try await symmetric.generateDataKey(for: sampleBinding).recipient
        generated.algorithm = "RSA-OAEP-256"
        // It has the length of an RSA ciphertext, so that KMS decides.
        generated.wrappedKey = Base64.encode(try randomBytes(count: 384))
        let named = generated
        #expect(
            await failure { () throws(KeyManagerError) in
                try await symmetric.unwrap(named, for: sampleBinding)
            }?
            .code == .invalidCiphertext)
    }

    @Test func rejectsAChangedWrappedKey() async throws {
        let manager = try await MotoKMS.server().manager(rsaKey())
        var wrapped = try await offline(try await manager.exportPublicKey()).recipient
        wrapped.wrappedKey = Base64.encode(try randomBytes(count: 384))
        let changed = wrapped
        #expect(
            await failure { () throws(KeyManagerError) in
                try await manager.unwrap(changed, for: sampleBinding)
            }?
            .code == .invalidCiphertext)
    }

    @Test(arguments: [
        "", "KeySpec='RSA_2048', KeyUsage='ENCRYPT_DECRYPT'", "KeySpec='RSA_3072', KeyUsage='SIGN_VERIFY'",
    ])
    func exportsNoOtherKeys(options: String) async throws {
        let moto = try await MotoKMS.server()
        let manager = try moto.manager(try moto.createKey(options: options))
        let error = await failure { () throws(KeyManagerError) in try await manager.exportPublicKey() }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("RSA_3072 or RSA_4096") == true, "\(String(describing: error))")
    }

    @Test func aSmallRSAKeyDoesNotWrap() async throws {
        let manager = try await MotoKMS.server().manager(rsaKey("RSA_2048"))
        let error = await failure { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("smaller than 3072 bits") == true)
    }

    @Test func decryptingAloneSuffices() async throws {
        let moto = try await MotoKMS.server()
        let arn = try await rsaKey()
        let wrapped = try await offline(try await moto.manager(arn).exportPublicKey())
        let user = try moto.createUser("kms:Decrypt")
        let manager = try moto.manager(arn, user)
        #expect(try await manager.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
        guard case .unwrapsOnly = await manager.selfTest() else {
            Issue.record("the self-test: \(await manager.selfTest())")
            return
        }
    }
}
