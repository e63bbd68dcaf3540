import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import CLI

/// Returns the text of a file of Tests/Vectors/rsa.
func rsaVector(_ name: String) throws -> String {
    try String(contentsOf: Python.repository.appending(path: "Tests/Vectors/rsa/\(name)"), encoding: .utf8)
}

/// Returns a key with one of the public keys of Tests/Vectors/rsa.
func recipientKey(
    _ keyID: String = "vault-transit:transit/sb-offline", version: String? = "3", _ name: String = "rsa-3072"
) throws -> RecipientKey {
    try RecipientKey(
        keyID: keyID, keyVersion: version, publicKey: RSAPublicKey(pem: rsaVector("\(name).pub.pem")))
}

struct RecipientFileTests {
    private func read(_ text: String) throws(InputError) -> RecipientKey {
        try RecipientFile.parse(secretBytes(text), source: "key.yaml")
    }

    private func problem(_ text: String) -> String {
        errorMessage { () throws(InputError) in try read(text) } ?? ""
    }

    /// Returns the text of a valid file with a replacement, which must occur.
    private func changed(_ old: String, _ new: String) throws -> String {
        let text = RecipientFile.text(of: try recipientKey())
        try #require(text.contains(old))
        return text.replacing(old, with: new)
    }

    @Test(
        arguments: [
            ("vault-transit:eu:team-a/transit/sb-offline", "12"),
            ("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", nil),
            (
                "gcp-kms:projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/k/cryptoKeyVersions/2",
                nil
            ),
            (
                "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcdef",
                nil
            ),
        ] as [(String, String?)])
    func readsWhatItWrites(keyID: String, version: String?) throws {
        let key = try recipientKey(keyID, version: version)
        let text = RecipientFile.text(of: key)
        let read = try read(text)
        #expect(read.keyID == keyID)
        #expect(read.keyVersion == version)
        #expect(read.publicKey.der == key.publicKey.der)
        #expect(read.fingerprint == key.fingerprint)
        #expect(RecipientFile.text(of: read) == text)
    }

    @Test func everyErrorNamesTheFile() throws {
        for text in ["", "x", "{}", "- a", "version: 1\n", "a: [\n"] {
            let message = problem(text)
            #expect(message.hasPrefix("key.yaml"), "\(text.debugDescription): \(message)")
            expectSafeMessage(message)
        }
    }

    @Test func rejectsAReplacedKey() throws {
        let pem = try rsaVector("rsa-3072.pub.pem").split(separator: "\n").map { "  \($0)" }.joined(
            separator: "\n")
        let other = try rsaVector("rsa-4096.pub.pem").split(separator: "\n").map { "  \($0)" }.joined(
            separator: "\n")
        let message = problem(try changed(pem, other))
        #expect(message.contains("key.yaml:7:14: fingerprint is not that of publicKey"), "\(message)")
    }

    @Test func rejectsAReplacedFingerprint() throws {
        let fingerprint = try recipientKey().fingerprint
        let message = problem(try changed(fingerprint, "sha256:" + String(repeating: "0", count: 64)))
        #expect(message.contains("fingerprint is not that of publicKey"), "\(message)")
    }

    @Test func rejectsEveryTruncation() throws {
        let text = RecipientFile.text(of: try recipientKey())
        let end = try #require(text.range(of: "-----END PUBLIC KEY-----")?.upperBound)
        for count in stride(from: 0, to: text.distance(from: text.startIndex, to: end), by: 7) {
            #expect(problem(String(text.prefix(count))) != "", "\(count)")
        }
    }

    @Test(arguments: [
        ("version: 1", "version: 2", "reads recipient files of version 1"),
        ("algorithm: RSA-OAEP-256", "algorithm: RSA-OAEP", "RSA-OAEP-256 is expected"),
        ("algorithm: RSA-OAEP-256\n", "", "algorithm is missing"),
        ("algorithm:", "algoritm:", "is algorithm meant?"),
        ("keyVersion: \"3\"\n", "", "keyVersion is missing"),
        ("keyVersion: \"3\"", "keyVersion: \"0\"", "is not the number of a version"),
        ("keyVersion: \"3\"", "keyVersion: [3]", "a string is expected"),
        ("keyID: \"vault-transit:", "keyID: \"local:", "is not the id of a key"),
        ("keyID: \"vault-transit:", "keyID: \"gcp-kms:", "is not the id of a key"),
        ("keyID: \"vault-transit:transit/sb-offline\"", "keyID: vault-transit", "is not the id of a key"),
        (
            "keyID: \"vault-transit:transit/sb-offline\"", "keyID: \"vault-transit:a b\"",
            "is not the id of a key"
        ),
        ("BEGIN PUBLIC KEY", "BEGIN RSA PUBLIC KEY", "is not one PEM block"),
        ("version: 1\n", "version: 1\nversion: 1\n", "duplicate key"),
        ("version: 1\n", "version: 1\nextra: 1\n", "has no such field"),
        ("version: 1\n", "---\nversion: 1\n---\n", "is not one document"),
    ])
    func rejectsAnyOtherForm(old: String, new: String, problem expected: String) throws {
        let message = problem(try changed(old, new))
        #expect(message.contains(expected), "\(message)")
        expectSafeMessage(message)
    }

    @Test(arguments: [
        ("rsa-2048", "has 2048 bits"), ("rsa-8192", "has 8192 bits"), ("ec", "is not an RSA key"),
        ("ed25519", "is not an RSA key"), ("rsa-pss", "is not an RSA key"), ("rsa-3072-e3", "65537"),
    ])
    func rejectsOtherKeys(name: String, problem expected: String) throws {
        let good = try rsaVector("rsa-3072.pub.pem").split(separator: "\n").map { "  \($0)" }.joined(
            separator: "\n")
        let bad = try rsaVector("\(name).pub.pem").split(separator: "\n").map { "  \($0)" }.joined(
            separator: "\n")
        let message = problem(try changed(good, bad))
        #expect(message.contains("publicKey \(expected)") || message.contains(expected), "\(message)")
    }

    @Test func rejectsALargeFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("key.yaml", "# " + String(repeating: "x", count: 70_000))
        let message = errorMessage { () throws(InputError) in try RecipientFile.read(path) }
        #expect(message?.contains("is larger than 65536 bytes") == true, "\(message ?? "")")
    }

    /// A key has one notation, so that it has one pin.
    @Test(arguments: ["/transit/k", "./transit/k", "../transit/k", "transit//k", "transit/./k", "transit/k/"])
    func refusesOtherNotationsOfAPathInVault(path: String) {
        #expect(!KeySelector.isAsymmetricKeyID("vault-transit:" + path))
        #expect(!KeySelector.isAsymmetricKeyID("vault-transit:eu:team-a/" + path))
    }

    @Test func acceptsPathsOfServersAndNamespacesInVault() {
        #expect(KeySelector.isAsymmetricKeyID("vault-transit:transit/k"))
        #expect(KeySelector.isAsymmetricKeyID("vault-transit:eu:team-a/transit/k"))
    }
}
