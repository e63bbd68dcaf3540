import Cryptography
import Envelope
import Foundation
import JSON
import KMS
import KubeClient
import Resources
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// Commands that change files with recipients of public keys.
struct PublicKeyEditTests {
    private let folder: TemporaryFolder
    private let local: LocalKeyManager
    private let key: RecipientKey

    init() throws {
        folder = try TemporaryFolder()
        local = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        key = try recipientKey()
    }

    private func write(_ keys: KeyRing) async throws -> String {
        var input = SecretInput(name: "db", namespace: "payments", source: "db.yaml")
        input.entries = [SecretEntry(name: "password", value: SharedSecret(copying: canary.utf8))]
        let output = try await SecretWrapper(keys: keys, scope: .strict, namespace: nil).wrap(input)
        return try folder.write("db.yaml", yaml(output.manifest))
    }

    private func recipients(_ path: String) throws -> [Recipient] {
        try WrappedSecretFile(reading: path).documents[0].object.spec.envelope.recipients
    }

    private func rewrap(_ ring: KeyRing, _ strategy: RewrapStrategy) async {
        let results = Locked<[RewrapResult]>([])
        _ = await FileRewrapper(keys: ring, strategy: strategy, namespace: nil, isDryRun: false)
            .rewrap(ManifestPaths([folder.path]).files) { more in results.withLock { $0 += more } }
        for result in results.withLock({ $0 }) {
            if case .failed(let problem) = result.outcome { Issue.record("\(problem)") }
        }
    }

    @Test func aFileWrappedOfflineNamesTheAlgorithm() async throws {
        let path = try await write(try #require(KeyRing(wrappingFor: [key])))
        let recipient = try #require(try recipients(path).first)
        #expect(recipient.keyID == key.keyID)
        #expect(recipient.algorithm == "RSA-OAEP-256")
        #expect(try folder.read("db.yaml").contains("algorithm: RSA-OAEP-256"))
    }

    @Test func rewrapAddsARecipientFileAndRemovesItAgain() async throws {
        let path = try await write(KeyRing(primary: local))
        let ring = KeyRing(primary: local).adding([key])
        await rewrap(ring, .change(adding: [1], removing: []))
        #expect(try recipients(path).map(\.keyID) == [local.keyID, key.keyID])
        #expect(try recipients(path).map(\.algorithm) == [nil, "RSA-OAEP-256"])
        let before = try folder.read("db.yaml")
        await rewrap(ring, .change(adding: [1], removing: []))
        #expect(try folder.read("db.yaml") == before)
        await rewrap(
            KeyRing(primary: local), .change(adding: [], removing: [try KeySelector("vault-transit")]))
        #expect(try recipients(path).map(\.keyID) == [local.keyID])
    }

    @Test func newValuesAreWrappedWithTheRecipientFile() async throws {
        let ring = KeyRing(primary: local, additionalRecipients: [RecipientKeyManager(key)])
        let path = try await write(ring)
        let old = try recipients(path)
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        let new = [SecretEntry(name: "password", value: SharedSecret(copying: "new".utf8))]
        let refusal = await errorMessage { () throws(InputError) in
            try await ValueEdit(opened, with: ring).replaceValues(with: new)
        }
        #expect(refusal?.contains("give its recipient file (--recipient)") == true, "\(refusal ?? "")")
        _ = try await ValueEdit(opened, with: ring, recipientKeys: [key]).replaceValues(with: new)
        let changed = try recipients(path)
        #expect(changed.map(\.keyID) == old.map(\.keyID))
        #expect(changed.map(\.algorithm) == [nil, "RSA-OAEP-256"])
        #expect(changed[1].wrappedKey != old[1].wrappedKey)
    }

    @Test func aRecipientFileThatIsNoRecipientIsRefused() async throws {
        let ring = KeyRing(primary: local)
        let path = try await write(ring)
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        let refusal = await errorMessage { () throws(InputError) in
            try await ValueEdit(opened, with: ring, recipientKeys: [key]).replaceValues(with: [])
        }
        #expect(refusal?.contains("rewrap --recipient") == true, "\(refusal ?? "")")
    }

    /// A change that replaces a recipient of a public key by one of a symmetric key, and the other way round.
    @Test func theAlgorithmFollowsTheKey() async throws {
        let path = try await write(KeyRing(primary: local, additionalRecipients: [RecipientKeyManager(key)]))
        let old = try recipients(path)
        for new in [[old[1], old[0]], old] {
            let file = try WrappedSecretFile(reading: path)
            let current = file.documents[0].object.spec.envelope.recipients
            try RecipientEdit.write(
                file, [RecipientChange(old: current, replacements: new.map { $0 }, added: [])])
            #expect(try recipients(path) == new)
        }
    }

    @Test func inspectShowsTheAlgorithm() async throws {
        let path = try await write(try #require(KeyRing(wrappingFor: [key])))
        let inspection = try Inspection(WrappedSecretFile(reading: path).documents[0], namespace: nil)
        #expect(inspection.lines.contains { $0.contains("transit/sb-offline v3 (RSA-OAEP-256)") })
        let recipient = try json(inspection.value)["recipients"]?.items?.first
        #expect(recipient?["algorithm"] == "RSA-OAEP-256")
    }

    // Recipient files of rules.

    /// A key with the other RSA key of the vectors.
    private func otherKey(_ keyID: String) throws -> RecipientKey { try recipientKey(keyID, "rsa-4096") }

    private func rule(_ folder: String, _ recipients: String) throws {
        try self.folder.write(
            "\(folder)/.secrets-bridge.yaml",
            "version: 1\nrules:\n- path: '**'\n  recipients: [\(recipients)]\n")
    }

    /// Rewraps by the rules, as the command does, and returns the violations of rules.
    private func rewrapByRules() async throws -> [String] {
        let book = RuleBook(.nearest(home: nil))
        let files = ManifestPaths([folder.path]).files
        let ring = KeyRing(primary: local).adding(book.recipientFiles(forManifests: files).map(\.key))
        let results = Locked<[RewrapResult]>([])
        _ = await FileRewrapper(keys: ring, strategy: .refresh, namespace: nil, isDryRun: false, rules: book)
            .rewrap(files) { more in results.withLock { $0 += more } }
        return results.withLock { $0 }.flatMap(\.ruleViolations)
    }

    @Test func rewrapWrapsForTheRecipientFileOfTheFilesOwnRule() async throws {
        let forged = try otherKey(key.keyID)
        let wrapped = try await String(contentsOfFile: write(KeyRing(primary: local)), encoding: .utf8)
        for (name, key) in [("a", forged), ("b", key)] {
            try folder.write("\(name)/key.yaml", RecipientFile.text(of: key))
            try folder.write("\(name)/db.yaml", wrapped)
            try rule(name, "{backend: local}, {file: key.yaml}")
        }
        #expect(try await rewrapByRules() == [])
        // An RSA ciphertext is as long as its key: 3,072 bits below b, 4,096 below a.
        for (name, size) in [("a", 512), ("b", 384)] {
            let recipient = try #require(try recipients(folder.path("\(name)/db.yaml")).last)
            let text = try #require(recipient.wrappedKey.split(separator: ":").last)
            #expect(try Base64.decode(String(text)).count == size, "\(name)")
        }
    }

    @Test func rewrapTakesNoRecipientFileOfAnotherRuleForABackend() async throws {
        let wrapped = try await String(contentsOfFile: write(KeyRing(primary: local)), encoding: .utf8)
        try folder.write("a/key.yaml", RecipientFile.text(of: key))
        try folder.write("a/db.yaml", wrapped)
        try rule("a", "{backend: local}, {file: key.yaml}")
        try folder.write("b/db.yaml", wrapped)
        try rule("b", "{backend: local}, {backend: vault-transit}")
        let violations = try await rewrapByRules()
        #expect(violations.count == 1)
        #expect(violations.first?.contains("lacks vault-transit") == true, "\(violations)")
        #expect(try recipients(folder.path("b/db.yaml")).map(\.keyID) == [local.keyID])
    }

    @Test func rulesOfFilesWithoutAWrappedSecretGiveNoRecipientFiles() throws {
        try folder.write("a/key.yaml", RecipientFile.text(of: key))
        try rule("a", "{file: key.yaml}")
        let book = RuleBook(.nearest(home: nil))
        #expect(book.recipientFiles(forManifests: [folder.path("a/key.yaml")]).isEmpty)
    }

    @Test func aRecipientFileIsNoConfiguredKey() throws {
        let ring = KeyRing(primary: local).adding([key])
        for text in ["vault-transit", key.keyID] {
            let selector = try KeySelector(text)
            #expect(throws: InputError.self) { try selector.index(in: ring, option: "--add-recipient") }
        }
    }
}
