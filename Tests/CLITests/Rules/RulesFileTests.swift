import Cryptography
import Envelope
import Foundation
import Resources
import TestSupport
import Testing

@testable import CLI

/// Reads rules files. The JSON schema is tested with the same files (Tests/Packaging/test_rules_schema.py).
struct RulesFileTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Vectors/rules")

    private static func files(_ kind: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: kind).path).sorted().map {
            "\(kind)/\($0)"
        }
    }

    private static func text(_ file: String) throws -> String {
        try String(contentsOf: folder.appending(path: file), encoding: .utf8)
    }

    private func read(
        _ text: String, folder: String = "/", root: String = "/"
    ) throws(InputError) -> RuleSet {
        try RulesFile.rules(
            in: secretBytes(text), source: "r.yaml",
            recipientFiles: RecipientFiles(folder: folder, root: root))
    }

    @Test(arguments: try files("valid"))
    func readsAValidFile(file: String) throws {
        let text = try Self.text(file)
        #expect(errorMessage { () throws(InputError) in try read(text) } == nil)
    }

    @Test(arguments: try files("invalid") + files("refused"))
    func reportsAnInvalidFile(file: String) throws {
        let text = try Self.text(file)
        let line = try #require(text.split(separator: "\n").first)
        let expected = String(line.dropFirst("# expect: ".count))
        let message = try #require(errorMessage { () throws(InputError) in try read(text) })
        #expect(message.hasPrefix("r.yaml:"))
        #expect(message.contains(expected), "\(message)")
        expectSafeMessage(message)
    }

    @Test func readsEveryField() throws {
        let rules = try read(try Self.text("valid/everything.yaml")).rules
        #expect(rules.map(\.line) == [4, 20, 21, 23])
        #expect(rules.map(\.pattern.description).last == "teams/*/secrets/db-??.yaml")
        let rule = rules[0]
        #expect(rule.description == "rule production/** (r.yaml:4)")
        #expect(rule.namespace == "shop")
        #expect(rule.scope == .strict)
        #expect(rule.keyRef == WrappedSecretSpec.KeyRef(kind: "KeyProvider", name: "own"))
        #expect(rule.labels == ["team": "shop", "example.com/tier": "1", "empty": ""])
        #expect(rule.recipients?.allowsOthers == true)
        #expect(
            rule.recipients?.keys.map(\.description) == [
                "vault-transit:transit/prod",
                "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                "gcp-kms",
                "azure-key-vault:https://shop.vault.azure.net/keys/prod/0123456789abcdef0123456789abcdef",
            ])
        #expect(rules[1].recipients == nil)
        #expect(rules[1].labels == [:])
    }

    @Test func allowsAThousandRules() throws {
        func text(_ count: Int) -> String {
            "version: 1\nrules:\n" + (0..<count).map { "- path: p\($0)/**\n" }.joined()
        }
        let set = try read(text(RulesFile.maximumRules))
        #expect(try set.rule(forPath: "p999/a.yaml", named: "x")?.line == 1002)
        let message = errorMessage { () throws(InputError) in try read(text(RulesFile.maximumRules + 1)) }
        #expect(message?.contains("rules has 1001 items; at most 1000 are allowed") == true)
    }

    @Test func refusesTooManyRulesForOneFile() throws {
        let text =
            "version: 1\nrules:\n"
            + (0..<17).map { "- path: a\(String(repeating: "?", count: $0))*\n" }.joined()
        let set = try read(text)
        #expect(try set.rule(forPath: "a", named: "x")?.line == 3)
        let path = "a" + String(repeating: "b", count: 17)
        let message = errorMessage { () throws(InputError) in try set.rule(forPath: path, named: path) }
        #expect(message?.contains("17 rules of r.yaml match") == true)
    }

    @Test func holdsTheMostSpecificRule() throws {
        let set = try read(try Self.text("valid/overlapping.yaml"))
        #expect(try set.rule(forPath: "production/db.yaml", named: "x")?.namespace == "c")
        #expect(try set.rule(forPath: "staging/db.yaml", named: "x")?.namespace == "a")
        #expect(try set.rule(forPath: "production/web.yaml", named: "x")?.namespace == "b")
        #expect(try set.rule(forPath: "web.yaml", named: "x") == nil)
    }

    @Test func refusesAnAmbiguousMatch() throws {
        let set = try read("version: 1\nrules:\n- path: '*/db.yaml'\n- path: production/*\n- path: '**'\n")
        let message = errorMessage { () throws(InputError) in
            try set.rule(forPath: "production/db.yaml", named: "production/db.yaml")
        }
        #expect(
            message
                == "production/db.yaml: rule */db.yaml (r.yaml:3) and rule production/* (r.yaml:4) both match, and neither "
                + "is the more specific one; change a pattern, or add a rule for the files that both match")
        #expect(try set.rule(forPath: "staging/db.yaml", named: "x")?.line == 3)
        #expect(try set.rule(forPath: "a", named: "x")?.line == 5)
    }

    private static func recipientFile(_ keyID: String) throws -> String {
        let pem = folder.deletingLastPathComponent().appending(path: "rsa/rsa-3072.pub.pem")
        let publicKey = try RSAPublicKey(pem: String(contentsOf: pem, encoding: .utf8))
        return RecipientFile.text(of: try RecipientKey(keyID: keyID, keyVersion: "1", publicKey: publicKey))
    }

    @Test func resolvesRecipientFilesInsideTheRepository() throws {
        let temporary = try TemporaryFolder()
        let root = try #require(AbsolutePath(existing: temporary.path)).path
        try temporary.write("repo/keys/prod.pub.yaml", try Self.recipientFile("vault-transit:transit/prod"))
        try temporary.write("repo/rules/x", "")
        try temporary.write("repo/folder.yaml/x", "")
        try temporary.write("outside.yaml", try Self.recipientFile("vault-transit:transit/other"))
        try temporary.link("repo/keys/out.yaml", to: "../../outside.yaml")
        try temporary.link("repo/keys/in.yaml", to: "prod.pub.yaml")
        func message(_ path: String) -> String? {
            errorMessage { () throws(InputError) in
                let text = "version: 1\nrules:\n- path: a\n  recipients: [{file: '\(path)'}]\n"
                let set = try read(text, folder: "\(root)/repo/rules", root: "\(root)/repo")
                guard set.rules[0].recipients?.keys.map(\.description) == ["vault-transit:transit/prod"]
                else {
                    throw InputError("another key")
                }
            }
        }
        #expect(message("../keys/prod.pub.yaml") == nil)
        #expect(message("../keys/in.yaml") == nil)
        #expect(message("../keys/out.yaml")?.contains("leads out of the repository") == true)
        #expect(message("../../outside.yaml")?.contains("leads out of the repository") == true)
        #expect(message("\(root)/repo/keys/prod.pub.yaml")?.contains("is absolute") == true)
        #expect(message("../folder.yaml")?.contains("there is no file") == true)
        #expect(message("nowhere.yaml")?.contains("there is no file") == true)
    }
}
