import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import CLI

struct KnownRecipientsTests {
    private let folder: TemporaryFolder
    private let known: KnownRecipients
    private let first: RecipientKey
    private let second: RecipientKey

    init() throws {
        folder = try TemporaryFolder()
        known = KnownRecipients(path: folder.path("config/secrets-bridge/known-recipients"))
        first = try recipientKey()
        second = try recipientKey(version: "4", "rsa-4096")
    }

    private func check(_ keys: RecipientKey..., confirmed: [String] = []) throws(InputError) -> [String] {
        try known.check(keys.map { ("key.yaml", $0) }, confirmed: confirmed)
    }

    private func contents() throws -> String { try folder.read("config/secrets-bridge/known-recipients") }

    @Test func recordsTheFirstFingerprintAndAcceptsItAgain() throws {
        let notes = try check(first)
        #expect(notes.count == 1)
        #expect(notes.first?.contains(first.fingerprint) == true)
        #expect(try check(first) == [])
        #expect(try contents().hasSuffix("\nvault-transit:transit/sb-offline \(first.fingerprint)\n"))
    }

    @Test func theFileIsReadableByItsOwnerOnly() throws {
        _ = try check(first)
        let attributes = try FileManager.default.attributesOfItem(atPath: known.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test func refusesAnotherFingerprintOfAKnownKey() throws {
        _ = try check(first)
        let message = errorMessage { () throws(InputError) in try check(second) }
        #expect(message?.contains(first.fingerprint) == true, "\(message ?? "")")
        #expect(message?.contains("--accept-new-key \(second.fingerprint)") == true, "\(message ?? "")")
        #expect(try !contents().contains(second.fingerprint))
    }

    @Test func acceptsAConfirmedFingerprintAndKeepsTheOldOne() throws {
        _ = try check(first)
        let notes = try check(second, confirmed: [second.fingerprint])
        #expect(notes.first?.contains("a further key") == true)
        #expect(try check(second) == [])
        #expect(try check(first) == [])
    }

    @Test func aConfirmationOfAnotherFingerprintConfirmsNothing() throws {
        _ = try check(first)
        #expect(throws: InputError.self) { try check(second, confirmed: [first.fingerprint]) }
    }

    @Test(arguments: [
        "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/",
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcde",
    ])
    func anotherVersionInTheKeyIDIsTheSameKey(prefix: String) throws {
        _ = try check(try recipientKey(prefix + "1", version: nil))
        #expect(throws: InputError.self) {
            try check(try recipientKey(prefix + "2", version: nil, "rsa-4096"))
        }
    }

    @Test func twoKeysAreTwoPins() throws {
        let other = try recipientKey(
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", version: nil,
            "rsa-4096")
        #expect(try check(first, other).count == 2)
        #expect(try check(first, other) == [])
    }

    @Test func nothingIsRecordedIfOneFileIsRefused() throws {
        _ = try check(first)
        let other = try recipientKey(
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", version: nil)
        #expect(throws: InputError.self) { try check(other, second) }
        #expect(try !contents().contains("arn:aws"))
    }

    @Test(arguments: ["x", "a b c", "key sha256:abc", "key sha256:" + String(repeating: "G", count: 64)])
    func aDamagedFileIsReportedWithItsLine(line: String) throws {
        _ = try check(first)
        try folder.write("config/secrets-bridge/known-recipients", try contents() + line + "\n")
        let message = errorMessage { () throws(InputError) in try check(first) }
        #expect(message?.contains("known-recipients:3: ") == true, "\(message ?? "")")
    }

    @Test func concurrentRunsLoseNoFingerprint() async throws {
        let known = self.known
        let keys = try (0..<20).map { try recipientKey("vault-transit:transit/k\($0)") }
        try await withThrowingTaskGroup { group in
            for key in keys { group.addTask { _ = try known.check([("key.yaml", key)]) } }
            try await group.waitForAll()
        }
        let text = try contents()
        #expect(keys.allSatisfy { text.contains("\($0.keyID) ") })
    }

    /// A file that was tampered with may name a key that no earlier run has used.
    @Test func refusesAnotherKeyIDInAKnownFile() throws {
        let path = try folder.write("keys/production.yaml", "")
        _ = try known.check([(path, first)])
        let other = try recipientKey("vault-transit:transit/other", "rsa-4096")
        let message = errorMessage { () throws(InputError) in try known.check([(path, other)]) }
        #expect(message?.contains("vault-transit:transit/other") == true, "\(message ?? "")")
        #expect(message?.contains("--accept-new-key \(other.fingerprint)") == true, "\(message ?? "")")
        #expect(try known.check([(path, other)], confirmed: [other.fingerprint]).count == 1)
        #expect(try known.check([(path, other)]) == [])
        #expect(try known.check([(path, first)]) == [])
        #expect(try !contents().contains(path))
    }

    @Test func refusesTwoFilesWithDifferentKeysOfOneID() throws {
        let forged = try recipientKey("vault-transit:transit/sb-offline", "rsa-4096")
        let message = errorMessage { () throws(InputError) in
            try known.check([("a.yaml", first), ("b.yaml", forged)])
        }
        #expect(message?.hasPrefix("b.yaml: ") == true, "\(message ?? "")")
        #expect(message?.contains("in a.yaml \(first.fingerprint)") == true, "\(message ?? "")")
        #expect(throws: InputError.self) {
            try known.check(
                [("a.yaml", first), ("b.yaml", forged)], confirmed: [first.fingerprint, forged.fingerprint])
        }
    }

    @Test func aRunThatWrapsNothingRecordsNothing() throws {
        #expect(try known.check([("key.yaml", first)], records: false) == [])
        _ = try check(second)
        #expect(throws: InputError.self) { try known.check([("key.yaml", first)], records: false) }
    }

    @Test func thePathFollowsTheConfigurationFolder() {
        #expect(
            KnownRecipients.path(configurationHome: "/c", home: "/h") == "/c/secrets-bridge/known-recipients")
        #expect(
            KnownRecipients.path(configurationHome: "relative", home: "/h")
                == "/h/.config/secrets-bridge/known-recipients")
        #expect(KnownRecipients.path(configurationHome: nil, home: nil) == nil)
    }
}
