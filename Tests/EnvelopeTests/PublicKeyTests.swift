import Cryptography
import Foundation
import KMS
import TestSupport
import Testing

@testable import Envelope

/// The private half of a recipient key, as a KMS has it.
struct RSAKeyManager: KeyManager {
    let keyID: String
    private let key: RSAPrivateKey

    init(_ key: VectorCase.RSAKey) throws {
        keyID = key.keyID
        self.key = try RSAPrivateKey(pem: SecretBytes(copying: Array(key.privateKey.utf8)))
    }

    func accepts(keyID: String) -> Bool { keyID.utf8.elementsEqual(self.keyID.utf8) }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey { throw unsupported }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        throw unsupported
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        guard recipient.algorithm == "RSA-OAEP-256" else { throw .algorithmMismatch(recipient, keyID: keyID) }
        var text = recipient.wrappedKey[...]
        if keyID.hasPrefix("vault-transit:") { text = text.split(separator: ":", maxSplits: 2).last ?? "" }
        guard let bytes = try? Base64.decode(String(text)),
            let plaintext = try? bytes.withBytes({ bytes throws(CryptoError) in
                SharedSecret(try key.decryptOAEP(bytes, label: []))
            })
        else { throw KeyManagerError(.invalidCiphertext, keyID: keyID, message: "cannot decrypt") }
        return UnwrappedKey(key: plaintext)
    }

    private var unsupported: KeyManagerError {
        KeyManagerError(.misconfigured, keyID: keyID, message: "this key only unwraps")
    }
}

extension VectorCase {
    /// Returns the keys of the reader.
    func keyRing() throws -> KeyRing {
        let rsa = try (rsaKeys ?? []).map { try RSAKeyManager($0) as any KeyManager }
        guard !masters.isEmpty else {
            return KeyRing(primary: try rsa.first ?? localKey(99), others: Array(rsa.dropFirst()))
        }
        let local = try EnvelopeTests.keyRing(masters)
        return KeyRing(primary: local.primary, others: local.others + rsa)
    }
}

struct PublicKeyTests {
    private let key: RecipientKey

    init() throws {
        let file = VectorFile.folder.appending(path: "public-keys.json")
        let vector = try #require(try VectorFile(contentsOf: file).cases.first?.rsaKeys?.first)
        key = try RecipientKey(
            keyID: "vault-transit:transit/sb-offline", keyVersion: "3",
            publicKey: RSAPublicKey(pem: vector.publicKey))
    }

    @Test func wrapsForAVersionOfVault() throws {
        let recipient = try key.wrap(SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        #expect(recipient.keyID == "vault-transit:transit/sb-offline")
        #expect(recipient.wrappedKey.hasPrefix("vault:v3:"))
        #expect(recipient.keyVersion == "3")
        #expect(recipient.algorithm == "RSA-OAEP-256")
    }

    @Test func everyWrappedKeyDiffers() throws {
        let dataKey = SharedSecret(copying: [UInt8](repeating: 1, count: 32))
        #expect(try key.wrap(dataKey).wrappedKey != key.wrap(dataKey).wrappedKey)
    }

    @Test func aPublicKeyUnwrapsNothing() async throws {
        let manager = RecipientKeyManager(key)
        let binding = try Binding(scope: .strict, namespace: "payments", secretName: "db")
        let made = try await manager.generateDataKey(for: binding)
        #expect(!manager.accepts(keyID: made.recipient.keyID))
        await #expect(throws: KeyManagerError.self) { try await manager.unwrap(made.recipient, for: binding) }
    }

    @Test(
        arguments: [
            ("vault-transit:transit/a", nil), ("arn:aws:kms:eu-west-1:111122223333:key/a", "1"),
            ("vault-transit:transit/a", "0"), ("vault-transit:transit/a", "v1"),
            ("vault-transit:transit/a", ""),
            ("no-scheme", nil), ("a b:c", nil),
        ] as [(String, String?)])
    func rejectsAKeyIDOrVersionThatNoRecipientHas(keyID: String, version: String?) {
        #expect(throws: EnvelopeError.self) {
            try RecipientKey(keyID: keyID, keyVersion: version, publicKey: key.publicKey)
        }
    }

    @Test func aRingOfPublicKeysWrapsForAllOfThemAndHoldsNone() async throws {
        let other = try RecipientKey(
            keyID: "arn:aws:kms:eu-west-1:111122223333:key/a", keyVersion: nil, publicKey: key.publicKey)
        let ring = try #require(KeyRing(wrappingFor: [key, other]))
        let envelope = try await Envelope.seal(
            [SecretEntry("a", [1])],
            binding: Binding(scope: .strict, namespace: "payments", secretName: "db"), with: ring.primary,
            recipients: ring.additionalRecipients)
        #expect(envelope.recipients.map(\.keyID) == [key.keyID, other.keyID])
        #expect(envelope.recipients.allSatisfy { ring.keyManager(for: $0) == nil })
    }

    @Test func theDigestCoversTheAlgorithm() throws {
        let fields = EnvelopeFields(
            format: "v1", scope: "strict",
            recipients: [Recipient(keyID: "local:a", wrappedKey: String(repeating: "A", count: 80))],
            mac: Base64.encode([UInt8](repeating: 0, count: 32)), data: [:])
        var other = fields
        other.recipients[0].algorithm = "RSA-OAEP-256"
        let digests = try [fields, other].map {
            try EnvelopeSummary($0, namespace: "payments", secretName: "db").digest
        }
        #expect(digests[0] != digests[1])
    }
}
