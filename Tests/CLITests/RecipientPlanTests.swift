import Cryptography
import Envelope
import KMS
import TestSupport
import Testing

@testable import CLI

/// Plans the steps for recipients by key ids alone.
struct RecipientPlanTests {
    private let ring: KeyRing
    private let keys: [LocalKeyManager]

    init() throws {
        keys = try (1...3).map { seed in
            try LocalKeyManager(
                master: SharedSecret(copying: [UInt8](repeating: UInt8(seed), count: 32)))
        }
        ring = KeyRing(primary: keys[0], others: [keys[1], keys[2]])
    }

    private func recipients(_ ids: String...) -> [Recipient] {
        ids.map { Recipient(keyID: $0, wrappedKey: "A234567890123456") }
    }

    @Test func keepsARecipientOfTheWrappingKey() throws {
        #expect(try RecipientPlan.steps(recipients(keys[0].keyID), .refresh, ring) == [])
        #expect(try RecipientPlan.steps(recipients(keys[1].keyID), .refresh, ring) == [.replace(0, with: 0)])
    }

    @Test func supersedesPreviousKeysIfTheCurrentKeyIsListed() throws {
        #expect(
            try RecipientPlan.steps(recipients(keys[1].keyID, keys[0].keyID), .refresh, ring)
                == [.supersede(0, by: 1)])
        #expect(
            try RecipientPlan.steps(recipients(keys[1].keyID, keys[2].keyID), .refresh, ring)
                == [.replace(0, with: 0), .supersede(1, by: 0)])
        #expect(
            try RecipientPlan.steps(recipients(keys[1].keyID, keys[2].keyID, keys[0].keyID), .refresh, ring)
                == [.supersede(0, by: 2), .supersede(1, by: 2)])
    }

    /// An unreadable key version does not prove that the recipient is current.
    @Test func refreshesAMalformedWrappedKey() throws {
        let vault = NamedKey(keyID: "vault-transit:transit/k", key: keys[0])
        let malformed = [Recipient(keyID: vault.keyID, wrappedKey: "garbage")]
        #expect(
            try RecipientPlan.steps(malformed, .refresh, KeyRing(primary: vault)) == [.refresh(0, by: 0)])
    }

    /// Ciphertexts of Cloud KMS carry no version: only Cloud KMS knows whether the primary version wrapped them.
    @Test func asksCloudKMSForTheVersion() throws {
        let gcp = NamedKey(
            keyID: "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", key: keys[0])
        let own = recipients(gcp.keyID)
        #expect(try RecipientPlan.steps(own, .refresh, KeyRing(primary: gcp)) == [.refresh(0, by: 0)])
        #expect(try RecipientPlan.steps(own, .move(to: 0), KeyRing(primary: gcp)) == [.refresh(0, by: 0)])
    }

    /// A local key with the id of another backend.
    private struct NamedKey: KeyManager {
        let keyID: String
        let key: LocalKeyManager

        func accepts(keyID: String) -> Bool { keyID == self.keyID }
        func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
            try await key.generateDataKey(for: binding)
        }
        func wrap(
            _ dataKey: SharedSecret, for binding: Binding
        ) async throws(KeyManagerError) -> Recipient { try await key.wrap(dataKey, for: binding) }
        func unwrap(
            _ recipient: Recipient, for binding: Binding
        ) async throws(KeyManagerError) -> UnwrappedKey { try await key.unwrap(recipient, for: binding) }
    }

    @Test func keepsRecipientsOfKeysThatAreNotConfigured() throws {
        let foreign = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        #expect(try RecipientPlan.steps(recipients(foreign, keys[0].keyID), .refresh, ring) == [])
        #expect(throws: InputError.self) { try RecipientPlan.steps(recipients(foreign), .refresh, ring) }
        #expect(
            try RecipientPlan.steps(recipients(foreign, keys[1].keyID), .move(to: 0), ring) == [
                .replace(1, with: 0)
            ]
        )
        #expect(throws: InputError.self) { try RecipientPlan.steps(recipients(foreign), .move(to: 0), ring) }
    }

    @Test func addsAKeyOnceAndRemovesOneThatIsNotConfigured() throws {
        #expect(
            try RecipientPlan.steps(recipients(keys[1].keyID), .change(adding: [0], removing: []), ring) == [
                .add(0)
            ]
        )
        #expect(
            try RecipientPlan.steps(recipients(keys[0].keyID), .change(adding: [0], removing: []), ring) == []
        )
        let foreign = "vault-transit:transit/old"
        #expect(
            try RecipientPlan.steps(
                recipients(foreign, keys[0].keyID),
                .change(adding: [], removing: [KeySelector("vault-transit")]),
                ring)
                == [.remove(0)])
        #expect(throws: InputError.self) {
            try RecipientPlan.steps(
                recipients(foreign), .change(adding: [], removing: [KeySelector(foreign)]), ring)
        }
    }

    @Test func movesToOneConfiguredKey() throws {
        #expect(
            try RecipientPlan.steps(
                recipients(keys[0].keyID, keys[1].keyID, keys[2].keyID), .move(to: 1), ring)
                == [.supersede(0, by: 1), .supersede(2, by: 1)])
        #expect(
            try RecipientPlan.steps(recipients(keys[0].keyID, keys[2].keyID), .move(to: 1), ring)
                == [.replace(0, with: 1), .remove(1)])
    }

    @Test func readsVersionsOfVaultKeysOnly() {
        func version(_ id: String, _ wrapped: String) -> String? {
            Recipient(keyID: id, wrappedKey: wrapped).keyVersion
        }
        #expect(version("vault-transit:transit/k", "vault:v12:QUJD") == "12")
        #expect(version("local:00", "vault:v12:QUJD") == nil)
        #expect(version("vault-transit:transit/k", "vault:vx:QUJD") == nil)
        #expect(version("vault-transit:transit/k", "vault:v:QUJD") == nil)
    }

    @Test func selectsAKeyByIDOrBackend() throws {
        #expect(try KeySelector("local").index(in: ring, option: "--to") == 0)
        let vault = NamedKey(keyID: "vault-transit:transit/k", key: keys[2])
        let two = KeyRing(primary: keys[0], others: [keys[1], vault])
        #expect(try KeySelector("vault-transit").index(in: two, option: "--to") == 2)
        #expect(try KeySelector(vault.keyID).index(in: two, option: "--to") == 2)
        let message = errorMessage { () throws(InputError) in
            try KeySelector("aws-kms").index(in: ring, option: "--to")
        }
        #expect(message?.contains("SB_KMS_BACKEND") == true)
    }

    @Test func refusesAPreviousKeyAsTheTarget() throws {
        let message = errorMessage { () throws(InputError) in
            try KeySelector(keys[2].keyID).index(in: ring, option: "--to")
        }
        #expect(message?.contains("previous key") == true)
        #expect(message?.contains(keys[0].keyID) == true)
    }
}
