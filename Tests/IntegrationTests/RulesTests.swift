import Foundation
import TestSupport
import Testing

/// Commands that follow the rules of `.secrets-bridge.yaml`, and their behaviour without one.
@Suite(.onRealServers)
struct RulesTests {
    private let folder: TemporaryFolder
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private static let otherKey = Data(repeating: 5, count: 32).base64EncodedString()

    private static let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: canary-rules}\n"

    init() throws {
        folder = try TemporaryFolder()
        try folder.write(".git/HEAD", "")
        try folder.write("production/x", "")
    }

    /// Runs the program in the folder.
    @discardableResult
    private func run(
        _ arguments: [String], _ more: [String: String] = [:], input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        let binary = try Settings.required().binary
        let outcome = try await Program(
            "/bin/sh", ["-c", "cd \"$1\" && shift && exec \"$@\"", "sh", folder.path, binary] + arguments,
            environment: environment.merging(more) { $1 }, input: Data(input.utf8)
        ).outcome()
        #expect(
            outcome.status == status, "\(arguments): \(outcome.output)\(outcome.errors)",
            sourceLocation: location)
        #expect(!outcome.errors.contains("canary-rules"), sourceLocation: location)
        return outcome
    }

    private func writeRules(_ fields: String) throws {
        let lines = fields.split(separator: "\n").map { "  \($0)\n" }.joined()
        try folder.write(".secrets-bridge.yaml", "version: 1\nrules:\n- path: production/**\n\(lines)")
    }

    /// The id of the key of the settings.
    private func keyID() async throws -> String {
        let wrapped = try await run(["wrap", "-n", "x", "--name", "x", "--from-literal", "k=v", "-o", "json"])
        let line = try #require(wrapped.output.split(separator: "\n").first { $0.contains("\"keyID\"") })
        return try #require(line.split(separator: "\"").first { $0.hasPrefix("local:") }.map(String.init))
    }

    @Test func wrapFollowsTheRuleOfItsOutputFile() async throws {
        let key = try await keyID()
        try writeRules(
            "namespace: shop\nscope: namespace\nrecipients: [{keyID: '\(key)'}]\nlabels: {team: shop}")
        let wrapped = try await run(["wrap", "-w", "production/db.yaml"], input: Self.secret)
        #expect(wrapped.errors == "")
        let text = try folder.read("production/db.yaml")
        #expect(text.contains("namespace: shop"))
        #expect(text.contains("scope: namespace"))
        #expect(text.contains("team: shop"))
        try await run(["verify", "production"])
        // The Secret of the options too, which needs no --namespace then.
        try await run(["wrap", "--name", "api", "--from-literal", "k=v", "-w", "production/api.yaml"])
        #expect(try folder.read("production/api.yaml").contains("namespace: shop"))
    }

    @Test func wrapFollowsTheRuleOfTheFileThatItReads() async throws {
        try writeRules("namespace: shop")
        try folder.write("production/secret.yaml", Self.secret)
        try folder.write("secret.yaml", Self.secret)
        let found = try await run(["wrap", "production/secret.yaml"])
        #expect(found.output.contains("namespace: shop"))
        let none = try await run(["wrap", "secret.yaml"], status: 1)
        #expect(none.errors.contains("Secret db has no namespace, and scope strict"))
        // Standard input and output have no path.
        try await run(["wrap"], input: Self.secret, status: 1)
        try folder.write("secret.yaml", Self.secret.replacing("db", with: "api"))
        let both = try await run(["wrap", "-n", "shop", "production/secret.yaml", "secret.yaml"])
        #expect(both.errors == "")
    }

    @Test func optionsOverrideARuleWithANote() async throws {
        try writeRules("namespace: shop\nscope: strict")
        let wrapped = try await run(
            ["wrap", "-n", "web", "--scope", "namespace", "-w", "production/db.yaml"], input: Self.secret)
        let rule = "rule production/** (.secrets-bridge.yaml:3)"
        #expect(
            wrapped.errors
                == "note: --namespace web overrides \(rule), which requires namespace shop\n"
                + "note: --scope namespace overrides \(rule), which requires scope strict\n")
        let verified = try await run(["verify", "--offline", "production"], status: 1)
        #expect(
            verified.errors
                == "error: production/db.yaml:2:1: namespace is \"web\", and \(rule) requires shop; wrap the values again "
                + "for namespace shop\nerror: production/db.yaml:2:1: spec.scope is \"namespace\", and \(rule) requires "
                + "strict; wrap the values again with scope strict\n")
        #expect(verified.output == "1 WrappedSecret, 2 problems\n")
        try await run(["verify", "--offline", "--rules", "none", "production"])
    }

    @Test func wrapRefusesAKeyThatTheRuleDoesNotList() async throws {
        let key = try await keyID()
        try writeRules("recipients: [{backend: vault-transit, keyID: transit/prod}]")
        let outcome = try await run(
            ["wrap", "-n", "shop", "-w", "production/db.yaml"], input: Self.secret, status: 1)
        #expect(
            outcome.errors
                == "error: rule production/** (.secrets-bridge.yaml:3) requires a recipient of vault-transit:transit/prod, "
                + "for which no configured key wraps (configured: \(key)); configure it too (SB_KMS_BACKEND takes a list), "
                + "or give --rules none\n")
        #expect(try folder.names.contains("production"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("production/db.yaml")))
    }

    @Test func setAndRewrapFollowTheRule() async throws {
        try await run(["wrap", "-n", "shop", "-w", "production/db.yaml"], input: Self.secret)
        let old = try folder.read("production/db.yaml")
        // The next master key, with the first one as a previous key that the rule does not list.
        let next = [
            "SB_WRAP_MASTER_KEY": Self.otherKey, "SB_WRAP_MASTER_KEYS_PREVIOUS": BadInputTests.masterKey,
        ]
        let probe = try await run(["wrap", "-n", "x", "--name", "x", "--from-literal", "k=v"], next)
        let line = try #require(probe.output.split(separator: "\n").first { $0.contains("keyID: ") })
        let key = try #require(line.split(separator: " ").last.map(String.init))
        try writeRules("recipients: [{keyID: '\(key)'}]")

        let check = try await run(["rewrap", "--check", "production"], next, status: 1)
        #expect(check.output.contains("+ \(key)"))
        try await run(["rewrap", "production"], next)
        try await run(["verify", "production"], ["SB_WRAP_MASTER_KEY": Self.otherKey])
        try await run(["rewrap", "--check", "production"], next)

        try folder.write("production/db.yaml", old)
        let set = try await run(["set", "production/db.yaml", "--from-literal", "user=app"], next)
        #expect(set.errors.contains("note: production/db.yaml: recipients follow rule production/**"))
        try await run(["verify", "production"], ["SB_WRAP_MASTER_KEY": Self.otherKey])

        try folder.write("production/db.yaml", old)
        let missing = try await run(["rewrap", "production"], status: 1)
        #expect(missing.errors.contains("its rule allows none of its recipients"))
        #expect(try folder.read("production/db.yaml") == old)
        let override = try await run(["rewrap", "--to", "local", "production"])
        #expect(override.errors.contains("note: the options override the recipients of rule production/**"))
    }

    @Test func editFollowsTheRule() async throws {
        try await run(["wrap", "-n", "shop", "-w", "production/db.yaml"], input: Self.secret)
        try folder.writeProgram("editor", "#!/bin/sh\nsed -i 's/canary-rules/changed/' \"$1\"\n")
        try writeRules("scope: cluster")
        let refused = try await run(
            ["edit", "production/db.yaml"], ["EDITOR": folder.path("editor")], status: 1)
        #expect(refused.errors.contains("spec.scope is \"strict\", and rule production/**"))
        try writeRules("scope: strict\nrecipients: [{backend: local}]")
        let edited = try await run(["edit", "production/db.yaml"], ["EDITOR": folder.path("editor")])
        #expect(edited.output == "~ password\n")
    }

    @Test func importFollowsTheRuleOfEachFile() async throws {
        try folder.write(
            "sealed.yaml",
            "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db, namespace: web}\nspec:\n"
                + "  encryptedData: {}\n")
        let key = try await Program(
            "/usr/bin/env", ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        ).outcome()
        try folder.write("key.pem", key.output)
        let arguments = ["import", "--sealed", "sealed.yaml", "--sealing-key", "key.pem"]
        try writeRules("namespace: shop")
        let refused = try await run(arguments + ["-w", "production/db.yaml"], status: 1)
        #expect(
            refused.errors.contains("metadata.namespace is web, and rule production/**"), "\(refused.errors)")
        try folder.write(
            ".secrets-bridge.yaml",
            "version: 1\nrules:\n- path: production/**\n  scope: namespace\n- path: production/web/*\n  labels: {team: web}\n"
        )
        try await run(arguments + ["--folder", "production"])
        let text = try folder.read("production/web/db.yaml")
        #expect(text.contains("team: web"))
        #expect(text.contains("scope: strict"))
        try await run(arguments + ["-w", "production/db.yaml"])
        #expect(try folder.read("production/db.yaml").contains("scope: namespace"))
    }

    @Test func inspectPrintsTheRule() async throws {
        try await run(["wrap", "-n", "shop", "-w", "production/db.yaml"], input: Self.secret)
        try writeRules("scope: strict")
        let text = try await run(["inspect", "production"])
        #expect(text.output.contains("  rule            .secrets-bridge.yaml:3, path production/**\n"))
        let json = try await run(["inspect", "-o", "json", "production"])
        #expect(json.output.contains("\"path\": \"production/**\""), "\(json.output)")
        let none = try await run(["inspect", "--rules", "none", "production"])
        #expect(!none.output.contains("rule"))
        try folder.write("other.yaml", "version: 1\nrules: [{path: '*/db.yaml'}, {path: 'production/*'}]\n")
        let ambiguous = try await run(["inspect", "--rules", "other.yaml", "production"], status: 1)
        #expect(
            ambiguous.errors.contains(
                "production/db.yaml: rule */db.yaml (other.yaml:2) and rule production/*"))
    }

    @Test(arguments: [
        ["wrap", "-w", "production/new.yaml"], ["set", "production/db.yaml", "--from-literal", "a=b"],
        ["edit", "production/db.yaml"], ["rewrap", "production"], ["verify", "production"],
        ["inspect", "production"],
    ])
    func everyCommandRefusesAnInvalidRulesFile(arguments: [String]) async throws {
        try await run(["wrap", "-n", "shop", "-w", "production/db.yaml"], input: Self.secret)
        let before = try folder.read("production/db.yaml")
        try folder.write(
            ".secrets-bridge.yaml", "version: 1\nrules:\n- path: production/**\n  scop: strict\n")
        let outcome = try await run(arguments, ["EDITOR": "true"], input: Self.secret, status: 1)
        #expect(
            outcome.errors.contains(".secrets-bridge.yaml:4:3: rules[0] has no such field"),
            "\(outcome.errors)")
        #expect(outcome.errors.contains("is scope meant?"))
        #expect(try folder.read("production/db.yaml") == before)
        #expect(!FileManager.default.fileExists(atPath: folder.path("production/new.yaml")))
    }

    @Test func providerFileNeedsAKeyRefWithoutRules() async throws {
        let arguments = ["wrap", "-n", "shop", "--provider-file", "p.yaml", "-w", "production/db.yaml"]
        let outcome = try await run(arguments, input: Self.secret, status: 64)
        #expect(outcome.errors.contains("--provider-file needs --key-ref, the provider that wraps"))
        try writeRules("keyRef: ClusterKeyProvider/eu")
        let missing = try await run(arguments, input: Self.secret, status: 1)
        #expect(missing.errors.contains("p.yaml"))
    }
}
