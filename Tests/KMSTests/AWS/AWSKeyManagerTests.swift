import Cryptography
import Envelope
import HTTP
import HTTPTypes
import TestSupport
import Testing

@testable import KMS

struct AWSKeyManagerTests {
    private static let context: AnyJSON = [
        "secrets-bridge.io/scope": "strict", "secrets-bridge.io/namespace": "payments",
        "secrets-bridge.io/name": "db",
    ]
    private static let key32 = Base64.encode([UInt8](0..<32))

    @Test func sendsTargetKeyAndEncryptionContext() async throws {
        let transport = fakeKMS(["Decrypt": { _ in .decrypted() }])
        let credentials = StaticCredentials(value: testCredentials(token: "the-token"))
        _ = try await awsKeyManager(transport, credentials: credentials).unwrap(
            awsRecipient, for: sampleBinding)
        let request = try #require(transport.requests.first)
        #expect(request.line == "POST /")
        #expect(request.fields[.contentType] == "application/x-amz-json-1.1")
        #expect(request.fields[.amzTarget] == "TrentService.Decrypt")
        #expect(request.secrets[.amzSecurityToken] == "the-token")
        #expect(
            request.authorization?.contains(
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target") == true)
        #expect(request.authorization?.contains("/eu-west-1/kms/aws4_request") == true)
        #expect(
            try AnyJSON(request.body)
                == [
                    "CiphertextBlob": .string(awsRecipient.wrappedKey), "KeyId": .string(awsARN),
                    "EncryptionContext": Self.context,
                ])
    }

    @Test func encryptionContextHasOnlyThePartsOfTheScope() throws {
        func names(_ scope: Scope) throws -> [String] {
            AWSEncryptionContext.entries(try Binding(scope: scope, namespace: "n", secretName: "s")).map(
                \.name)
        }
        #expect(try names(.strict) == ["scope", "namespace", "name"].map { "secrets-bridge.io/\($0)" })
        #expect(try names(.namespace) == ["scope", "namespace"].map { "secrets-bridge.io/\($0)" })
        #expect(try names(.cluster) == ["secrets-bridge.io/scope"])
    }

    @Test func generatesDataKeys() async throws {
        let transport = fakeKMS([
            "GenerateDataKey": { _ in
                .init(
                    200, #"{"KeyId":"\#(awsARN)","CiphertextBlob":"QUJDRA==","Plaintext":"\#(Self.key32)"}"#)
            },
            "Encrypt": { body in
                body["Plaintext"]?.string == Self.key32
                    ? .init(200, #"{"KeyId":"\#(awsARN)","CiphertextBlob":"RUZHSA=="}"#)
                    : .kmsError("ValidationException")
            },
        ])
        let manager = try awsKeyManager(transport, key: "alias/sb-wrap")
        let made = try await manager.generateDataKey(for: sampleBinding)
        #expect(made.recipient == Recipient(keyID: awsARN, wrappedKey: "QUJDRA=="))
        #expect(made.key.bytes.withUnsafeBytes { Array($0) } == Array(0..<32))
        #expect(try await manager.wrap(made.key, for: sampleBinding).wrappedKey == "RUZHSA==")
        #expect(
            try AnyJSON(try #require(transport.requests.first).body)
                == ["KeyId": "alias/sb-wrap", "KeySpec": "AES_256", "EncryptionContext": Self.context])
        #expect(manager.keyID == awsARN)
    }

    @Test func rewrapsInsideKMS() async throws {
        let old = awsARN.replacing("1234abcd", with: "00000000")
        let transport = fakeKMS([
            "ReEncrypt": { body in
                .init(
                    200,
                    #"{"KeyId":"\#(awsARN)","SourceKeyId":"\#(body["SourceKeyId"]?.string ?? "")","CiphertextBlob":"QUJDRA=="}"#
                )
            }
        ])
        let recipient = Recipient(keyID: old, wrappedKey: awsRecipient.wrappedKey)
        let rewrapped = try await awsKeyManager(transport).rewrap(recipient, for: sampleBinding)
        #expect(rewrapped == Recipient(keyID: awsARN, wrappedKey: "QUJDRA=="))
        #expect(transport.operations == ["ReEncrypt"])
        #expect(
            try AnyJSON(try #require(transport.requests.first).body)
                == [
                    "CiphertextBlob": .string(awsRecipient.wrappedKey), "SourceKeyId": .string(old),
                    "SourceEncryptionContext": Self.context, "DestinationKeyId": .string(awsARN),
                    "DestinationEncryptionContext": Self.context,
                ])
    }

    @Test func rejectsAResponseOfAnotherKey() async throws {
        let other = awsARN.replacing("1234abcd", with: "00000000")
        let transport = fakeKMS([
            "Decrypt": { _ in .decrypted(by: other) },
            "GenerateDataKey": { _ in
                .init(200, #"{"KeyId":"\#(other)","CiphertextBlob":"QUJDRA==","Plaintext":"\#(Self.key32)"}"#)
            },
            "ReEncrypt": { _ in
                .init(200, #"{"KeyId":"\#(awsARN)","SourceKeyId":"\#(other)","CiphertextBlob":"QUJDRA=="}"#)
            },
        ])
        let manager = try awsKeyManager(transport)
        let errors = [
            await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: sampleBinding)
            },
            await keyManagerError { () throws(KeyManagerError) in
                try await manager.generateDataKey(for: sampleBinding)
            },
            await keyManagerError { () throws(KeyManagerError) in
                try await manager.rewrap(awsRecipient, for: sampleBinding)
            },
        ]
        for error in errors {
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("is AWS KMS") == true)
        }
        #expect(manager.keyID == awsARN)
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{}", #"{"Plaintext":"QUJD"}"#, #"{"KeyId":"\#(awsARN)"}"#,
        #"{"KeyId":"\#(awsARN)","Plaintext":7}"#, #"{"KeyId":"\#(awsARN)","Plaintext":""}"#,
        #"{"KeyId":"\#(awsARN)","Plaintext":"not base64!"}"#, #"{"KeyId":"\#(awsARN)","Plaintext":"QQ"}"#,
        #"{"KeyId":"\#(awsARN)","Plaintext":"QUJD","Plaintext":"QUJD"}"#, "<html>canary</html>",
    ])
    func rejectsAResponseWithoutAValidPlaintext(body: String) async throws {
        let manager = try awsKeyManager(FakeTransport { _ in .init(200, body) })
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("canary") == false)
    }

    @Test(arguments: [
        (#""KeyMaterialId":"0123abcd","#, "0123abcd"), (#""KeyMaterialId":"<b>canary</b>","#, nil), ("", nil),
    ])
    func reportsTheKeyMaterialThatWrapped(field: String, version: String?) async throws {
        let manager = try awsKeyManager(
            FakeTransport { _ in .init(200, #"{\#(field)"KeyId":"\#(awsARN)","Plaintext":"QUJD"}"#) })
        #expect(try await manager.unwrap(awsRecipient, for: sampleBinding).keyVersion == version)
    }

    @Test func rejectsADataKeyThatIsNot32Bytes() async throws {
        let transport = fakeKMS([
            "GenerateDataKey": { _ in
                .init(200, #"{"KeyId":"\#(awsARN)","CiphertextBlob":"QUJDRA==","Plaintext":"QUJD"}"#)
            }
        ])
        let manager = try awsKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .unavailable)
    }

    @Test(arguments: [
        (awsARN, "not base64!"), (awsARN, ""), (awsARN, "QQ"),
        (awsARN, String(repeating: "QUJD", count: 2049)),
        (awsARN.replacing("111122223333", with: "999999999999"), "QUJDRA=="), ("alias/sb-wrap", "QUJDRA=="),
        (awsARN.replacing("eu-west-1", with: "us-east-1"), "QUJDRA=="),
        (awsARN.replacing("arn:aws:", with: "arn:aws-cn:"), "QUJDRA=="),
    ])
    func sendsNoRequestForForeignRecipients(keyID: String, wrapped: String) async throws {
        let transport = fakeKMS([:])
        let manager = try awsKeyManager(transport)
        let recipient = Recipient(keyID: keyID, wrappedKey: wrapped)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(recipient, for: sampleBinding)
        }
        #expect(error?.code == (keyID == awsARN ? .invalidCiphertext : .keyUnavailable))
        #expect(error?.concernsOneCiphertext == (keyID != awsARN))
        let again = await keyManagerError { () throws(KeyManagerError) in
            try await manager.rewrap(recipient, for: sampleBinding)
        }
        #expect(again?.code == error?.code)
        #expect(transport.requests.isEmpty)
    }

    @Test func unwrapsWithTheReplicaInThisRegion() async throws {
        let here = awsARN.replacing(
            "1234abcd-12ab-34cd-56ef-1234567890ab", with: "mrk-1234abcd12ab34cd56ef1234567890ab")
        let transport = fakeKMS(["Decrypt": { body in .decrypted(by: body["KeyId"]?.string ?? "") }])
        let manager = try awsKeyManager(transport, key: here)
        let recipient = Recipient(
            keyID: here.replacing("eu-west-1", with: "us-east-1"), wrappedKey: "QUJDRA==")
        _ = try await manager.unwrap(recipient, for: sampleBinding)
        #expect(try AnyJSON(try #require(transport.requests.first).body)["KeyId"]?.string == here)
    }

    @Test func resolvesTheKeyBehindAnAlias() async throws {
        let described = fakeKMS(["DescribeKey": { _ in .init(200, #"{"KeyMetadata":{"Arn":"\#(awsARN)"}}"#) }]
        )
        let manager = try awsKeyManager(described, key: "alias/sb-wrap")
        try await manager.resolveKeyID()
        #expect(manager.keyID == awsARN)
        #expect(described.operations == ["DescribeKey"])
        // If DescribeKey is denied, the response to Encrypt has the ARN.
        let wrapping = fakeKMS([
            "GetCallerIdentity": { _ in .callerIdentity("111122223333") },
            "Encrypt": { _ in .init(200, #"{"KeyId":"\#(awsARN)","CiphertextBlob":"QUJDRA=="}"#) },
        ])
        let other = try awsKeyManager(wrapping, key: "alias/sb-wrap")
        try await other.resolveKeyID()
        #expect(other.keyID == awsARN)
        let denied = try awsKeyManager(fakeKMS([:]), key: "alias/sb-wrap")
        let error = await keyManagerError { () throws(KeyManagerError) in try await denied.resolveKeyID() }
        #expect(error?.code == .accessDenied)
    }

    /// Policies allow only Decrypt, and the settings name an alias.
    @Test func resolvesTheAccountOnceForConcurrentCallers() async throws {
        let transport = fakeKMS([
            "Decrypt": { body in .decrypted(by: body["KeyId"]?.string ?? "") },
            "GetCallerIdentity": { _ in .callerIdentity("111122223333") },
        ])
        let manager = try awsKeyManager(transport, key: "alias/sb-wrap")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask { _ = try await manager.unwrap(awsRecipient, for: binding("s\(index)")) }
            }
            try await group.waitForAll()
        }
        #expect(transport.operations.filter { $0 == "DescribeKey" }.count == 1)
        #expect(
            transport.operations.filter { $0 == "Action=GetCallerIdentity&Version=2011-06-15" }.count == 1)
        #expect(transport.operations.filter { $0 == "Decrypt" }.count == 20)
        #expect(manager.keyID == "arn:aws:kms:eu-west-1:111122223333:alias/sb-wrap")
    }

    @Test func unwrapsAfterTheAliasWasDeleted() async throws {
        let transport = fakeKMS([
            "DescribeKey": { _ in .kmsError("NotFoundException") },
            "Decrypt": { body in .decrypted(by: body["KeyId"]?.string ?? "") },
            "GetCallerIdentity": { _ in .callerIdentity("111122223333") },
        ])
        _ = try await awsKeyManager(transport, key: "alias/sb-wrap").unwrap(awsRecipient, for: sampleBinding)
    }

    @Test func sendsNoDecryptWhileTheAccountIsUnknown() async throws {
        let transport = fakeKMS([
            "Decrypt": { body in .decrypted(by: body["KeyId"]?.string ?? "") }
        ])
        let manager = try awsKeyManager(transport, key: "alias/sb-wrap")
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(error?.message.contains("set SB_KMS_AWS_KEY_ID to the key's ARN") == true)
        #expect(!transport.operations.contains("Decrypt"))
        // The next unwrap resolves the account again.
        let again = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(again == error)
        #expect(transport.operations.filter { $0 == "DescribeKey" }.count == 2)
    }

    @Test func selfTestReportsWhatPoliciesAllow() async throws {
        func result(_ answers: [String: @Sendable (AnyJSON) -> FakeTransport.Response]) async throws
            -> SelfTestResult
        {
            try await awsKeyManager(fakeKMS(answers)).selfTest()
        }
        #expect(
            try await result(["Decrypt": { _ in .kmsError("InvalidCiphertextException") }])
                == .unwrapsOnly(
                    "policies allow kms:Decrypt but not kms:GenerateDataKey; decryption was tested with an invalid "
                        + "ciphertext only"))
        guard case .failed(let denied) = try await result([:]) else {
            Issue.record("the self-test should fail")
            return
        }
        #expect(denied.message.contains("kms:Decrypt") == true)
        guard case .failed(let noise) = try await result(["Decrypt": { _ in .decrypted() }]) else {
            Issue.record("noise was decrypted")
            return
        }
        #expect(noise.code == .unavailable)
        guard
            case .failed(let disabled) = try await result([
                "GenerateDataKey": { _ in .kmsError("DisabledException") }
            ])
        else {
            Issue.record("the key is disabled")
            return
        }
        #expect(disabled.code == .keyUnavailable)
    }
}
