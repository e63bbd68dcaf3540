import Cryptography
import Envelope
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// The requests to Cloud KMS, and the checks of its responses.
struct GCPKeyManagerTests {
    private let dataKey = SharedSecret(copying: [UInt8](repeating: 7, count: 32))

    private func error(
        _ manager: GCPKeyManager, wrapping: Bool = false
    ) async -> KeyManagerError? {
        await keyManagerError { () throws(KeyManagerError) in
            if wrapping {
                _ = try await manager.wrap(dataKey, for: sampleBinding)
            } else {
                _ = try await manager.unwrap(gcpRecipient, for: sampleBinding)
            }
        }
    }

    @Test func encryptsWithTheBindingAndChecksums() async throws {
        let transport = fakeGCP(["encrypt": { _ in .gcpEncrypted() }])
        let manager = try gcpKeyManager(transport)
        let recipient = try await manager.wrap(dataKey, for: sampleBinding)
        #expect(recipient == Recipient(keyID: "gcp-kms:\(gcpKey)", wrappedKey: "Y2lwaGVydGV4dA=="))
        let sent = try #require(transport.requests.first)
        #expect(sent.line == "POST /v1/\(gcpKey):encrypt")
        #expect(sent.authorization == "Bearer ya29.test")
        let data = Array("secrets-bridge/v1\0strict\0payments\0db".utf8)
        #expect(
            sent.json == [
                "plaintext": .string(Base64.encode([UInt8](repeating: 7, count: 32))),
                "plaintextCrc32c": .string("\(CRC32C.checksum([UInt8](repeating: 7, count: 32)))"),
                "additionalAuthenticatedData": .string(Base64.encode(data)),
                "additionalAuthenticatedDataCrc32c": .string("\(CRC32C.checksum(data))"),
            ])
    }

    @Test func decryptsWithTheBindingAndChecksums() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpDecrypted() }])
        let unwrapped = try await gcpKeyManager(transport).unwrap(gcpRecipient, for: sampleBinding)
        #expect(unwrapped.key.equals(dataKey))
        let sent = try #require(transport.requests.last)
        #expect(sent.line == "POST /v1/\(gcpKey):decrypt")
        let data = Array("secrets-bridge/v1\0strict\0payments\0db".utf8)
        #expect(
            sent.json == [
                "ciphertext": .string(gcpRecipient.wrappedKey),
                "ciphertextCrc32c": .string("\(CRC32C.checksum(Array("ABCDEFGHIJKLMNO".utf8)))"),
                "additionalAuthenticatedData": .string(Base64.encode(data)),
                "additionalAuthenticatedDataCrc32c": .string("\(CRC32C.checksum(data))"),
            ])
    }

    @Test func generatesDataKeysItself() async throws {
        let transport = fakeGCP(["encrypt": { _ in .gcpEncrypted() }])
        let manager = try gcpKeyManager(transport)
        let first = try await manager.generateDataKey(for: sampleBinding)
        let second = try await manager.generateDataKey(for: sampleBinding)
        #expect(first.key.count == 32)
        #expect(!first.key.equals(second.key))
        #expect(transport.requests[0].json?["plaintext"]?.string == Base64.encode(first.key.bytes.revealed()))
    }

    @Test func namesTheQuotaProject() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpDecrypted() }])
        let manager = try gcpKeyManager(transport, ["GOOGLE_CLOUD_QUOTA_PROJECT": "payer"])
        _ = try await manager.unwrap(gcpRecipient, for: sampleBinding)
        #expect(transport.requests.allSatisfy { $0.fields[.googUserProject] == "payer" })
    }

    @Test(arguments: [
        "gcp-kms:\(gcpKey)2", "gcp-kms:\(gcpKey)/", "gcp-kms:\(gcpKey.uppercased())",
        "vault-transit:\(gcpKey)",
        gcpKey, "",
    ])
    func rejectsOtherKeyIDsWithoutARequest(keyID: String) async throws {
        let transport = fakeGCP([:])
        let manager = try gcpKeyManager(transport)
        #expect(!manager.accepts(keyID: keyID))
        let recipient = Recipient(keyID: keyID, wrappedKey: gcpRecipient.wrappedKey)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(recipient, for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(transport.requests.isEmpty)
    }

    @Test(arguments: ["", "not base64", "QUJD\n", "QUI", "QUJDRA", String(repeating: "QUJD", count: 4096)])
    func rejectsAMalformedWrappedKeyWithoutARequest(wrapped: String) async throws {
        let transport = fakeGCP([:])
        let manager = try gcpKeyManager(transport)
        let recipient = Recipient(keyID: manager.keyID, wrappedKey: wrapped)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(recipient, for: sampleBinding)
        }
        #expect(error?.code == .invalidCiphertext)
        #expect(transport.requests.isEmpty)
    }

    // MARK: Checksums

    private static let corruptions: [[String: AnyJSON?]] = [
        ["verifiedPlaintextCrc32c": AnyJSON?.none], ["verifiedPlaintextCrc32c": false],
        ["verifiedAdditionalAuthenticatedDataCrc32c": AnyJSON?.none], ["ciphertextCrc32c": "1"],
        ["ciphertextCrc32c": AnyJSON?.none], ["ciphertextCrc32c": "-1"], ["ciphertext": "QUJD"],
    ]

    @Test(arguments: corruptions)
    func rejectsAnEncryptionWithoutMatchingChecksums(changes: [String: AnyJSON?]) async throws {
        let transport = fakeGCP(["encrypt": { _ in .gcpEncrypted(changing: changes) }])
        let error = await error(try gcpKeyManager(transport), wrapping: true)
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("checksum") == true || error?.message.contains("CRC-32C") == true)
        #expect(transport.gcpOperations == ["encrypt", "encrypt", "encrypt"])
    }

    @Test func repeatsAnEncryptionThatWasCorruptedOnce() async throws {
        let isFirst = Locked(true)
        let transport = fakeGCP([
            "encrypt": { _ in
                let isCorrupted = isFirst.withLock { first in
                    defer { first = false }
                    return first
                }
                return isCorrupted ? .gcpEncrypted(changing: ["ciphertextCrc32c": "1"]) : .gcpEncrypted()
            }
        ])
        let recipient = try await gcpKeyManager(transport).wrap(dataKey, for: sampleBinding)
        #expect(recipient.wrappedKey == "Y2lwaGVydGV4dA==")
        #expect(transport.requests.count == 2)
    }

    @Test func rejectsAPlaintextWithAnotherChecksum() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpDecrypted(crc: 1) }])
        let error = await error(try gcpKeyManager(transport))
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("changed on its way (CRC-32C mismatch)") == true)
        #expect(transport.gcpOperations.filter { $0 == "decrypt" }.count == 3)
    }

    @Test func repeatsARequestThatReachedTheServiceCorrupted() async throws {
        let transport = fakeGCP([
            "decrypt": { _ in
                .gcpError(
                    400, "INVALID_ARGUMENT",
                    "The checksum in field ciphertext_crc32c did not match the data in field ciphertext.")
            }
        ])
        let error = await error(try gcpKeyManager(transport))
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("CRC-32C") == true)
        #expect(transport.gcpOperations.filter { $0 == "decrypt" }.count == 3)
    }

    // MARK: Keys and versions

    @Test(arguments: [
        "\(gcpKey)2/cryptoKeyVersions/1",
        "projects/evil/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        gcpKey, "",
    ])
    func rejectsAnEncryptionByAnotherKey(name: String) async throws {
        let transport = fakeGCP(["encrypt": { _ in .gcpEncrypted(by: name) }])
        let error = await error(try gcpKeyManager(transport), wrapping: true)
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("used another key") == true)
        #expect(transport.requests.count == 1)
    }

    @Test func reportsTheNumberOfThePrimaryVersion() async throws {
        let transport = fakeGCP([
            "get": { _ in .gcpKeyResource(primary: "3") }, "decrypt": { _ in .gcpDecrypted() },
        ])
        let manager = try gcpKeyManager(transport)
        for _ in 0..<3 {
            #expect(try await manager.unwrap(gcpRecipient, for: sampleBinding).keyVersion == "3")
        }
        // The number is read before the first ciphertext, and once.
        #expect(transport.gcpOperations == ["get", "decrypt", "decrypt", "decrypt"])
    }

    @Test func reportsAnEarlierVersionWithoutItsNumber() async throws {
        let transport = fakeGCP([
            "get": { _ in .gcpKeyResource(primary: "3") },
            "decrypt": { _ in .gcpDecrypted(usedPrimary: false) },
        ])
        let unwrapped = try await gcpKeyManager(transport).unwrap(gcpRecipient, for: sampleBinding)
        #expect(unwrapped.keyVersion == "earlier")
    }

    @Test(arguments: ["\(gcpKey)2/cryptoKeyVersions/3", "cryptoKeyVersions/3", "3", ""])
    func doesNotReportAVersionOfAnotherKey(name: String) async throws {
        let transport = fakeGCP([
            "get": { _ in .json(["name": .string(gcpKey), "primary": ["name": .string(name)]]) },
            "decrypt": { _ in .gcpDecrypted() },
        ])
        let unwrapped = try await gcpKeyManager(transport).unwrap(gcpRecipient, for: sampleBinding)
        #expect(unwrapped.keyVersion == "primary")
    }

    /// The number of a version is not worth a deadline.
    @Test func doesNotReadTheVersionWithLittleTimeLeft() async throws {
        let transport = fakeGCP([
            "get": { _ in .gcpKeyResource(primary: "3") }, "decrypt": { _ in .gcpDecrypted() },
        ])
        let request = UnwrapRequest(gcpRecipient, sampleBinding)
        let results = try await gcpKeyManager(transport).unwrap([request], timeout: .seconds(4))
        #expect(try results.first?.get().keyVersion == "primary")
        #expect(transport.gcpOperations == ["decrypt"])
    }

    @Test func asksOnceForAKeyThatItMayNotRead() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpDecrypted() }])
        let clock = ManualClientClock()
        let manager = try gcpKeyManager(transport, clock: clock)
        for _ in 0..<3 {
            #expect(try await manager.unwrap(gcpRecipient, for: sampleBinding).keyVersion == "primary")
            clock.advance(by: .seconds(600))
        }
        #expect(transport.gcpOperations.filter { $0 == "get" }.count == 1)
    }

    @Test func readsTheNumberAgainAfterARotation() async throws {
        let primary = Locked("3")
        let transport = fakeGCP([
            "get": { _ in .gcpKeyResource(primary: primary.withLock { $0 }) },
            "decrypt": { _ in .gcpDecrypted() },
        ])
        let clock = ManualClientClock()
        let manager = try gcpKeyManager(transport, clock: clock)
        #expect(try await manager.unwrap(gcpRecipient, for: sampleBinding).keyVersion == "3")
        primary.withLock { $0 = "4" }
        clock.advance(by: .seconds(601))
        #expect(try await manager.unwrap(gcpRecipient, for: sampleBinding).keyVersion == "4")
    }

    @Test func rewrapKeepsWhatThePrimaryVersionWrapped() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpDecrypted() }, "encrypt": { _ in .gcpEncrypted() }])
        let recipient = try await gcpKeyManager(transport).rewrap(gcpRecipient, for: sampleBinding)
        #expect(recipient == gcpRecipient)
        #expect(transport.gcpOperations == ["decrypt"])
    }

    @Test func rewrapMovesWhatAnEarlierVersionWrapped() async throws {
        let transport = fakeGCP([
            "decrypt": { _ in .gcpDecrypted(usedPrimary: false) }, "encrypt": { _ in .gcpEncrypted() },
        ])
        let recipient = try await gcpKeyManager(transport).rewrap(gcpRecipient, for: sampleBinding)
        #expect(recipient.wrappedKey == "Y2lwaGVydGV4dA==")
        #expect(transport.gcpOperations == ["decrypt", "encrypt"])
        #expect(
            transport.requests.last?.json?["plaintext"]?.string
                == Base64.encode([UInt8](repeating: 7, count: 32)))
    }

    // MARK: Diagnosis

    @Test func theSelfTestWrapsAndUnwraps() async throws {
        let plaintext = Locked("")
        let transport = fakeGCP([
            "encrypt": { body in
                plaintext.withLock { $0 = body["plaintext"]?.string ?? "" }
                return .gcpEncrypted()
            },
            "decrypt": { _ in .gcpDecrypted((try? Base64.decode(plaintext.withLock { $0 })) ?? []) },
        ])
        #expect(await (try gcpKeyManager(transport)).selfTest() == .passed)
    }

    @Test func theSelfTestOfADecrypterUsesAnInvalidCiphertext() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpError(400, "INVALID_ARGUMENT") }])
        guard case .unwrapsOnly(let limit) = await (try gcpKeyManager(transport)).selfTest() else {
            Issue.record("the self-test did not see that decryption is allowed")
            return
        }
        #expect(limit.contains("useToDecrypt"))
    }

    @Test func theSelfTestOfAnEncrypterReportsThatItMayNotDecrypt() async throws {
        let transport = fakeGCP(["encrypt": { _ in .gcpEncrypted() }])
        guard case .wrapsOnly(let error) = await (try gcpKeyManager(transport)).selfTest() else {
            Issue.record("the self-test did not see that encryption is allowed")
            return
        }
        #expect(error.message.contains("roles/cloudkms.cryptoKeyDecrypter"))
    }

    @Test func theSelfTestRejectsAServerThatDecryptsRandomBytes() async throws {
        let transport = fakeGCP(["decrypt": { _ in .gcpDecrypted() }])
        guard case .failed(let error) = await (try gcpKeyManager(transport)).selfTest() else {
            Issue.record("passed")
            return
        }
        #expect(error.code == .misconfigured)
        #expect(error.message.contains("decrypted random bytes"))
    }

    @Test func theSelfTestFailsWithoutAnyRole() async throws {
        guard case .failed(let error) = await (try gcpKeyManager(fakeGCP([:]))).selfTest() else {
            Issue.record("passed")
            return
        }
        #expect(error.code == .accessDenied)
    }
}
