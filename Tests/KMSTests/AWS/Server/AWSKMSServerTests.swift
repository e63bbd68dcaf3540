import Cryptography
import Envelope
import HTTP
import Settings
import TestSupport
import Testing

@testable import KMS

/// Runs against moto, which verifies signatures and policies.
@Suite(.enabled(if: AWSPython.isAvailable), .serialized)
struct AWSKMSServerTests {
    private func failure<Value>(_ body: () async throws(KeyManagerError) -> Value) async -> KeyManagerError? {
        await keyManagerError(body)
    }

    @Test func wrapsAndUnwraps() async throws {
        let moto = try await MotoKMS.server()
        let arn = try moto.createKey()
        let manager = try moto.manager(arn)
        #expect(manager.keyID == arn)
        let made = try await manager.generateDataKey(for: sampleBinding)
        #expect(made.recipient.keyID == arn)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        let second = try await manager.wrap(made.key, for: sampleBinding)
        #expect(second != made.recipient)
        #expect(try await manager.unwrap(second, for: sampleBinding).key.equals(made.key))
        #expect(await manager.selfTest() == .passed)
        let batching = BatchingKeyManager(manager)
        #expect(try await batching.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    /// The key ring of the program reads settings and credentials from the environment.
    @Test func keyRingWrapsAndUnwraps() async throws {
        let moto = try await MotoKMS.server()
        let arn = try moto.createKey(alias: "alias/ring")
        let user = try moto.createUser("kms:GenerateDataKey", "kms:Decrypt")
        let ring = try KeyRing.load(
            from: Environment(
                user.merging([
                    "SB_KMS_BACKEND": "aws-kms", "SB_KMS_AWS_KEY_ID": "alias/ring", "AWS_REGION": "eu-west-1",
                    "AWS_ENDPOINT_URL": moto.url, "AWS_EC2_METADATA_DISABLED": "true",
                ]) { $1 }))
        let made = try await ring.primary.generateDataKey(for: sampleBinding)
        #expect(made.recipient.keyID == arn)
        #expect(try await ring.primary.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        #expect(await ring.primary.diagnose() == .passed)
    }

    @Test func rejectsACiphertextOfAnotherBinding() async throws {
        let moto = try await MotoKMS.server()
        let manager = try moto.manager(try moto.createKey())
        let made = try await manager.generateDataKey(for: sampleBinding)
        for elsewhere in [
            try binding("db", namespace: "thieves"), try binding("other"),
            try Binding(scope: .namespace, namespace: "payments", secretName: "db"),
            try Binding(scope: .cluster, namespace: nil, secretName: "db"),
        ] {
            let error = await failure { () throws(KeyManagerError) in
                try await manager.unwrap(made.recipient, for: elsewhere)
            }
            #expect(error?.code == .invalidCiphertext)
            #expect(error?.message.contains("another namespace, name or scope") == true)
        }
    }

    /// The recipient names the key that wrapped it.
    @Test func unwrapsAfterTheAliasHasMoved() async throws {
        let moto = try await MotoKMS.server()
        let old = try moto.createKey(alias: "alias/moves")
        let before = try moto.manager("alias/moves")
        #expect(before.keyID == "arn:aws:kms:eu-west-1::alias/moves")
        let made = try await before.generateDataKey(for: sampleBinding)
        #expect(made.recipient.keyID == old)
        #expect(before.keyID == old)
        let new = try moto.createKey()
        try moto.python("kms.update_alias(AliasName='alias/moves', TargetKeyId='\(new)')")

        let after = try moto.manager("alias/moves")
        #expect(try await after.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        #expect(after.keyID == new)
        #expect(after.accepts(keyID: old))
        // This key manager started before the alias rewrapped.
        let next = try await before.generateDataKey(for: sampleBinding)
        #expect(next.recipient.keyID == new)
        #expect(before.keyID == new)
        let rewrapped = try await before.rewrap(made.recipient, for: sampleBinding)
        #expect(rewrapped.keyID == new)
        #expect(try await before.unwrap(rewrapped, for: sampleBinding).key.equals(made.key))
    }

    @Test(arguments: ["DescribeKey", "Decrypt alone"])
    func unwrapsBeforeTheAliasIsResolved(policy: String) async throws {
        let moto = try await MotoKMS.server()
        let alias = "alias/lazy-\(policy.prefix(4))"
        let arn = try moto.createKey(alias: alias)
        let made = try await moto.manager(arn).generateDataKey(for: sampleBinding)
        let user =
            policy == "DescribeKey"
            ? try moto.createUser("kms:Decrypt", "kms:DescribeKey") : try moto.createUser("kms:Decrypt")
        let manager = try moto.manager(alias, user)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        let foreign = Recipient(
            keyID: "arn:aws:kms:eu-west-1:999999999999:key/\(AWSKeyARN(arn)?.id ?? "")",
            wrappedKey: made.recipient.wrappedKey)
        #expect(manager.accepts(keyID: foreign.keyID) == false)
        // The account is resolved first, and no foreign key is sent to KMS.
        let fresh = try moto.manager(alias, user)
        #expect(fresh.accepts(keyID: foreign.keyID))
        let error = await failure { () throws(KeyManagerError) in
            try await fresh.unwrap(foreign, for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(fresh.accepts(keyID: foreign.keyID) == false)
        let describes = policy == "DescribeKey"
        #expect(fresh.keyID == (describes ? arn : "arn:aws:kms:eu-west-1:123456789012:\(alias)"))
    }

    @Test func policiesAllowEachRoleItsOperationsOnly() async throws {
        let moto = try await MotoKMS.server()
        let arn = try moto.createKey(alias: "alias/roles")
        let controller = try moto.manager("alias/roles", try moto.createUser("kms:Decrypt"))
        let developer = try moto.manager("alias/roles", try moto.createUser("kms:GenerateDataKey"))
        let rotator = try moto.manager(
            arn, try moto.createUser("kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:ReEncrypt"))
        let made = try await developer.generateDataKey(for: sampleBinding)
        #expect(try await controller.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        let denied = await failure { () throws(KeyManagerError) in
            try await developer.unwrap(made.recipient, for: sampleBinding)
        }
        #expect(denied?.code == .accessDenied)
        #expect(denied?.message.contains("kms:Decrypt on \(arn)") == true)
        let wrapping = await failure { () throws(KeyManagerError) in
            try await controller.generateDataKey(for: sampleBinding)
        }
        #expect(wrapping?.code == .accessDenied)
        #expect(wrapping?.message.contains("kms:GenerateDataKey on alias/roles") == true)
        let rewrapped = try await rotator.rewrap(made.recipient, for: sampleBinding)
        #expect(try await controller.unwrap(rewrapped, for: sampleBinding).key.equals(made.key))

        guard case .unwrapsOnly = await controller.selfTest() else {
            Issue.record("the controller's self-test: \(await controller.selfTest())")
            return
        }
        guard case .wrapsOnly(let error) = await developer.selfTest() else {
            Issue.record("the developer's self-test: \(await developer.selfTest())")
            return
        }
        #expect(error.code == .accessDenied)
    }

    @Test func reportsAWrongSecretAccessKey() async throws {
        let moto = try await MotoKMS.server()
        let manager = try moto.manager(try moto.createKey(), ["AWS_SECRET_ACCESS_KEY": "wrong"])
        let error = await failure { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("signature") == true, "\(error?.message ?? "")")
        let unknown = try moto.manager(try moto.createKey(), ["AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"])
        let other = await failure { () throws(KeyManagerError) in
            try await unknown.generateDataKey(for: sampleBinding)
        }
        #expect(other?.code == .accessDenied)
        #expect(other?.message.contains("rejects the credentials") == true, "\(other?.message ?? "")")
    }

    @Test func reportsAMissingKey() async throws {
        let moto = try await MotoKMS.server()
        let manager = try moto.manager("alias/none")
        guard case .failed(let error) = await manager.selfTest() else {
            Issue.record("passed")
            return
        }
        #expect(error.code == .keyUnavailable)
        #expect(error.message.contains("alias/none") == true)
    }

    @Test func botoDecryptsWhatIsWrapped() async throws {
        let moto = try await MotoKMS.server()
        let manager = try moto.manager(try moto.createKey())
        let made = try await manager.generateDataKey(for: sampleBinding)
        let opened = try moto.python(
            """
            blob = base64.b64decode('\(made.recipient.wrappedKey)')
            answer = kms.decrypt(CiphertextBlob=blob, KeyId='\(made.recipient.keyID)', EncryptionContext=context)
            print(base64.b64encode(answer['Plaintext']).decode(), end='')
            """)
        #expect(try Base64.decode(opened) == made.key.bytes.withUnsafeBytes { Array($0) })
    }

    @Test func unwrapsWhatBotoEncrypted() async throws {
        let moto = try await MotoKMS.server()
        let arn = try moto.createKey()
        let wrapped = try moto.python(
            """
            answer = kms.encrypt(KeyId='\(arn)', Plaintext=bytes(range(32)), EncryptionContext=context)
            print(base64.b64encode(answer['CiphertextBlob']).decode(), end='')
            """)
        let key = try await moto.manager(arn).unwrap(
            Recipient(keyID: arn, wrappedKey: wrapped), for: sampleBinding
        )
        .key
        #expect(key.bytes.withUnsafeBytes { Array($0) } == Array(0..<32))
    }

    @Test func signsConcurrentRequests() async throws {
        let moto = try await MotoKMS.server()
        let manager = BatchingKeyManager(try moto.manager(try moto.createKey()))
        let served = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<100 {
                group.addTask {
                    let place = try binding("s\(index)")
                    let made = try await manager.generateDataKey(for: place)
                    return try await manager.unwrap(made.recipient, for: place).key.equals(made.key)
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(served == 100)
    }
}
