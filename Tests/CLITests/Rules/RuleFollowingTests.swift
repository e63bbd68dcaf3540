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

/// Wraps, edits, rewraps, verifies and inspects files with a rule.
struct RuleFollowingTests {
    private let keys: [LocalKeyManager]
    private let temporary: TemporaryFolder

    init() throws {
        keys = try (1...3).map { seed in
            try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: UInt8(seed), count: 32)))
        }
        temporary = try TemporaryFolder()
    }

    /// A local key with the id of another backend, as `KeyRing` keeps one wrapping key for each backend.
    private struct NamedKey: KeyManager {
        let keyID: String
        let key: LocalKeyManager

        func accepts(keyID: String) -> Bool { keyID == self.keyID }

        private func named(_ recipient: Recipient) -> Recipient {
            Recipient(keyID: keyID, wrappedKey: recipient.wrappedKey)
        }

        func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
            let generated = try await key.generateDataKey(for: binding)
            return DataKey(key: generated.key, recipient: named(generated.recipient))
        }

        func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
            named(try await key.wrap(dataKey, for: binding))
        }

        func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError)
            -> UnwrappedKey
        {
            try await key.unwrap(Recipient(keyID: key.keyID, wrappedKey: recipient.wrappedKey), for: binding)
        }
    }

    private let awsID = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    private var aws: NamedKey { NamedKey(keyID: awsID, key: keys[1]) }
    private var local: LocalKeyManager { keys[0] }
    private var ring: KeyRing { KeyRing(primary: local, others: [aws]) }
    private var both: String { "[{keyID: '\(local.keyID)'}, {backend: aws-kms, keyID: '\(awsID)'}]" }

    /// Writes a rules file with these fields of the rule `production/**`.
    private func writeRules(_ fields: String) throws {
        let lines = fields.split(separator: "\n").map { "  \($0)\n" }.joined()
        try temporary.write(".secrets-bridge.yaml", "version: 1\nrules:\n- path: production/**\n\(lines)")
    }

    private var book: RuleBook { RuleBook(.nearest(home: nil)) }
    private var path: String { temporary.path("production/db.yaml") }

    private func rule(_ file: String = "production/db.yaml") throws -> Rule? {
        try book.rule(for: temporary.path(file))
    }

    private func input(_ metadata: String) throws -> SecretInput {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {\(metadata)}\nstringData: {pw: \(canary)}\n"
        return try SecretManifestReader.secrets(in: secretBytes(text), source: "s.yaml")[0]
    }

    /// Wraps and writes the file.
    private func wrap(
        _ ring: KeyRing, _ metadata: String = "name: db, namespace: shop", rule: Rule? = nil,
        scope: Scope = .strict, namespace: String? = nil
    ) async throws {
        let wrapper = SecretWrapper(
            keys: ring, scope: scope, namespace: namespace, keyRef: rule?.keyRef, rule: rule)
        try temporary.write("production/db.yaml", yaml(try await wrapper.wrap(input(metadata)).manifest))
    }

    private func wrapProblem(_ ring: KeyRing, _ metadata: String = "name: db, namespace: shop") async throws
        -> String?
    {
        let wrapper = SecretWrapper(keys: ring, scope: .strict, namespace: nil, rule: try rule())
        let input = try input(metadata)
        return await errorMessage { () throws(InputError) in try await wrapper.wrap(input).notes }
    }

    private func keyIDs() throws -> [String] {
        try WrappedSecretFile(reading: path).documents[0].object.spec.envelope.recipients.map(\.keyID)
    }

    private func problems(_ keys: KeyRing? = nil, namespace: String? = nil) async -> [String] {
        await Verification(keys: keys, namespace: namespace, rules: book)
            .verify(WrappedSecretFiles(reading: [path])).problems
    }

    // Wrap.

    @Test func wrapsForTheRecipientsOfTheRule() async throws {
        try writeRules("namespace: shop\nscope: strict\nrecipients: \(both)\nlabels: {team: shop}")
        try await wrap(ring, "name: db", rule: try rule())
        #expect(try keyIDs() == [local.keyID, awsID])
        let object = try WrappedSecretFile(reading: path).documents[0].object
        #expect(object.metadata.namespace == "shop")
        #expect(object.spec.template?.metadata?.labels == ["team": "shop"])
        #expect(await problems(ring) == [])
        #expect(await problems(KeyRing(primary: aws)) == [])
    }

    @Test func wrapsForAKeyOfTheBackend() async throws {
        try writeRules("recipients: [{backend: aws-kms}]")
        try await wrap(ring, rule: try rule())
        #expect(try keyIDs() == [awsID])
    }

    @Test func refusesToWrapWithoutARequiredKey() async throws {
        try writeRules("recipients: \(both)")
        let message = try #require(try await wrapProblem(KeyRing(primary: local)))
        #expect(message.contains("requires a recipient of \(awsID), for which no configured key wraps"))
        #expect(message.contains("(configured: \(local.keyID))"))
        expectSafeMessage(message)
        // A previous key of a backend does not wrap.
        let previous = KeyRing(primary: keys[2], others: [local, aws])
        #expect(try await wrapProblem(previous)?.contains("requires a recipient of \(local.keyID)") == true)
    }

    @Test func refusesASecretOfAnotherNamespaceOrLabel() async throws {
        try writeRules("namespace: shop\nlabels: {team: shop}")
        let other = try await wrapProblem(ring, "name: db, namespace: web")
        #expect(other?.contains("metadata.namespace is web, and rule production/** (") == true)
        let label = try await wrapProblem(ring, "name: db, labels: {team: web}")
        #expect(label?.contains("label team is \"web\", and rule production/** (") == true)
        #expect(try await wrapProblem(ring, "name: db, labels: {team: shop}") == nil)
    }

    @Test func flagsOverrideARuleWithANote() throws {
        try writeRules("namespace: shop\nscope: strict\nkeyRef: KeyProvider/own")
        let rule = try #require(try rule())
        let same = rule.overridden(
            namespace: "shop", scope: .strict, keyRef: WrappedSecretSpec.KeyRef(text: "keyprovider/own"))
        #expect(same.notes == [])
        let other = rule.overridden(
            namespace: "web", scope: .cluster, keyRef: WrappedSecretSpec.KeyRef(text: "KeyProvider/other"))
        #expect(
            other.notes == [
                "--namespace web overrides \(rule), which requires namespace shop",
                "--scope cluster overrides \(rule), which requires scope strict",
                "--key-ref KeyProvider/other overrides \(rule), which requires keyRef KeyProvider/own",
            ])
        #expect(other.rule.namespace == "web")
        #expect(other.rule.scope == .cluster)
        #expect(other.rule.keyRef?.name == "other")
        #expect(rule.overridden().notes == [])
    }

    // Verify.

    @Test func reportsEachFieldThatBreaksTheRule() async throws {
        try await wrap(ring)
        #expect(await problems() == [])
        try writeRules(
            "namespace: prod\nscope: namespace\nrecipients: [{keyID: '\(awsID)'}]\nkeyRef: KeyProvider/own\nlabels: {team: shop}"
        )
        let found = await problems()
        let rule = try #require(try rule())
        let expected = [
            "namespace is \"shop\", and \(rule) requires prod; wrap the values again for namespace prod",
            "spec.scope is \"strict\", and \(rule) requires namespace; wrap the values again with scope namespace",
            "spec.recipients lacks \(awsID), which \(rule) requires; configure the key and rewrap the file "
                + "(secrets-bridge rewrap)",
            "spec.recipients has \"\(local.keyID)\", which \(rule) does not list; rewrap the file (secrets-bridge rewrap) "
                + "to remove it, or list it in the rule",
            "spec.keyRef is missing, and \(rule) requires KeyProvider/own; wrap the values again with --key-ref "
                + "KeyProvider/own",
            "spec.template.metadata.labels: team is missing, and \(rule) requires \"shop\"; set it there",
        ]
        #expect(found == expected.map { "\(path):1:1: \($0)" })
        // They are reported beside a failure to decrypt.
        let wrong = await problems(KeyRing(primary: keys[2]))
        #expect(wrong.count == expected.count + 1)
    }

    @Test func reportsRuleProblemsInJSON() async throws {
        try await wrap(ring)
        func report() async -> String {
            yaml(
                await Verification(keys: nil, namespace: nil, rules: book)
                    .verify(WrappedSecretFiles(reading: [path])).value)
        }
        #expect(await !report().contains("ruleProblems"))
        try writeRules("scope: cluster\nlabels: {a: b}")
        let text = await report()
        #expect(text.contains("ok: false"))
        #expect(text.contains("ruleProblems:"))
        // The first of them is also the problem.
        #expect(text.components(separatedBy: "spec.scope is").count == 3, "\(text)")
        #expect(text.components(separatedBy: "a is missing").count == 2, "\(text)")
    }

    @Test func allowsOtherRecipientsIfTheRuleDoes() async throws {
        try await wrap(KeyRing(primary: local))
        try writeRules("recipients: [{keyID: '\(local.keyID)'}]")
        _ = try await rewrap(ring, .change(adding: [1], removing: []))
        #expect(await problems().count == 1)
        try writeRules("recipients: [{keyID: '\(local.keyID)'}]\nallowOtherRecipients: true")
        #expect(await problems() == [])
    }

    @Test func takesTheNamespaceOfTheRuleForAFileWithoutOne() async throws {
        try await wrap(ring, "name: db, namespace: shop")
        let text = try temporary.read("production/db.yaml").replacing("  namespace: shop\n", with: "")
        try temporary.write("production/db.yaml", text)
        #expect(await problems(ring).first?.contains("has no namespace") == true)
        try writeRules("namespace: shop")
        #expect(await problems(ring) == [])
        let lookup = try book.lookup(path)
        let inspection = try Inspection(
            WrappedSecretFile(reading: path).documents[0], namespace: nil, rule: lookup)
        #expect(inspection.lines.contains { $0.contains("shop/db") })
        #expect(
            await problems(ring, namespace: "web").contains { $0.contains("namespace is \"web\", and rule") })
    }

    @Test func reportsAnInvalidRulesFileOnce() async throws {
        try await wrap(ring)
        try temporary.write("production/web.yaml", try temporary.read("production/db.yaml"))
        try temporary.write(".secrets-bridge.yaml", "version: 1\nrule: []\n")
        let result = await Verification(keys: nil, namespace: nil, rules: book)
            .verify(WrappedSecretFiles(reading: [temporary.path("production")]))
        #expect(result.problems.count == 1)
        #expect(result.problems[0].contains(".secrets-bridge.yaml:2:1: a rules file has no such field"))
        #expect(result.summary("open") == "2 WrappedSecrets, 1 problem")
    }

    @Test func inspectNamesTheRule() async throws {
        try await wrap(ring)
        func inspection() throws -> Inspection {
            try Inspection(
                WrappedSecretFile(reading: path).documents[0], namespace: nil,
                rule: try RuleBook(.nearest(home: nil)).lookup(path))
        }
        let without = try inspection()
        #expect(!without.lines.contains { $0.hasPrefix("  rule") })
        try writeRules("scope: strict")
        let source = try #require(try rule()?.source)
        let with = try inspection()
        #expect(with.lines.last == "  rule            \(source):3, path production/**")
        #expect(with.lines.dropLast() == without.lines[...])
        #expect(
            yaml(with.value).contains("rule:\n  file: \(source)\n  line: 3\n  path: \"production/**\""),
            "\(yaml(with.value))")
        try temporary.write(".secrets-bridge.yaml", "version: 1\nrules: []\n")
        #expect(try inspection().lines.last == "  rule            none: no rule of \(source) matches")
    }

    // Rewrap.

    private func rewrap(
        _ ring: KeyRing, _ strategy: RewrapStrategy = .refresh, isDryRun: Bool = false
    ) async throws -> RewrapResult {
        let results = Locked<[RewrapResult]>([])
        await FileRewrapper(
            keys: ring, strategy: strategy, namespace: nil, isDryRun: isDryRun, rules: book,
            retryPolicy: KMSRetryPolicy(attempts: 2) { _ in }
        ).rewrap([path]) { more in results.withLock { $0 += more } }
        return try #require(results.withLock { $0 }.first)
    }

    @Test func rewrapBringsAFileToItsRule() async throws {
        try await wrap(KeyRing(primary: keys[2]))
        try writeRules("recipients: \(both)")
        let all = KeyRing(primary: local, others: [aws, keys[2]])
        let dry = try await rewrap(all, isDryRun: true)
        #expect(dry.outcome == .changed("- \(keys[2].keyID), + \(local.keyID), + \(awsID)"))
        #expect(dry.ruleViolations == [])
        #expect(try keyIDs() == [keys[2].keyID])
        _ = try await rewrap(all)
        #expect(try keyIDs() == [local.keyID, awsID])
        #expect(await problems(KeyRing(primary: local)) == [])
        #expect(await problems(KeyRing(primary: aws)) == [])
        #expect(try await rewrap(all).outcome == .current)
    }

    @Test func rewrapReportsAKeyThatIsNotConfigured() async throws {
        try await wrap(KeyRing(primary: local))
        try writeRules("recipients: \(both)")
        let result = try await rewrap(KeyRing(primary: local))
        #expect(result.outcome == .current)
        #expect(result.ruleViolations.count == 1)
        #expect(result.ruleViolations[0].contains("spec.recipients lacks \(awsID)"))
        var counts = RewrapCounts()
        counts.add(result)
        #expect(counts.breakingRules == 1)
        #expect(counts.total == 1)
    }

    @Test func rewrapLeavesOneRecipientThatOpens() async throws {
        try await wrap(KeyRing(primary: local))
        try writeRules("recipients: [{keyID: '\(awsID)'}]")
        let result = try await rewrap(KeyRing(primary: local))
        guard case .failed(let message) = result.outcome else {
            Issue.record("\(result.outcome)")
            return
        }
        #expect(message.contains("its rule allows none of its recipients"))
        #expect(try keyIDs() == [local.keyID])
        #expect(try await rewrap(ring).outcome == .changed("- \(local.keyID), + \(awsID)"))
    }

    @Test func optionsOverrideTheRuleOfARewrap() async throws {
        try await wrap(KeyRing(primary: local))
        try writeRules("recipients: [{keyID: '\(local.keyID)'}]")
        let result = try await rewrap(ring, .move(to: 1))
        #expect(result.outcome == .changed("\(local.keyID) -> \(awsID)"))
        #expect(result.overriddenRule == (try rule()?.description))
        #expect(result.ruleViolations == [])
    }

    @Test func rewrapFailsAFileWithAnAmbiguousRule() async throws {
        try await wrap(KeyRing(primary: local))
        try temporary.write(
            ".secrets-bridge.yaml", "version: 1\nrules:\n- path: '*/db.yaml'\n- path: production/*\n")
        let result = try await rewrap(ring)
        guard case .failed(let message) = result.outcome else {
            Issue.record("\(result.outcome)")
            return
        }
        #expect(message.contains("both match, and neither is the more specific one"))
    }

    // Plans of a rewrap.

    private func recipients(_ ids: String...) -> [Recipient] {
        ids.map { Recipient(keyID: $0, wrappedKey: "A234567890123456") }
    }

    private func requirement(_ keys: [String], allowsOthers: Bool = false) throws -> RecipientRequirement {
        RecipientRequirement(keys: try keys.map { try KeySelector($0) }, allowsOthers: allowsOthers)
    }

    private func steps(
        _ recipients: [Recipient], _ requirement: RecipientRequirement, _ ring: KeyRing
    ) throws -> [RecipientPlan.Step] {
        try RecipientPlan.steps(recipients, .follow(requirement), ring)
    }

    @Test func plansForRecipientsOfARule() throws {
        let (id, previous) = (keys[0].keyID, keys[2].keyID)
        let ring = KeyRing(primary: keys[0], others: [keys[2], aws])
        let foreign = "vault-transit:transit/old"
        #expect(try steps(recipients(id, awsID), requirement([id, awsID]), ring) == [])
        #expect(try steps(recipients(id), requirement([id, awsID]), ring) == [.add(2)])
        #expect(try steps(recipients(id, foreign), requirement([id]), ring) == [.remove(1)])
        #expect(try steps(recipients(id, foreign), requirement([id], allowsOthers: true), ring) == [])
        // A whole backend moves to its current key.
        #expect(try steps(recipients(previous), requirement(["local"]), ring) == [.replace(0, with: 0)])
        #expect(try steps(recipients(previous, id), requirement(["local"]), ring) == [.supersede(0, by: 1)])
        // A previous key that the rule names stays.
        #expect(try steps(recipients(previous), requirement([previous]), ring) == [])
        #expect(try steps(recipients(previous), requirement([id]), ring) == [.add(0), .remove(0)])
        #expect(
            try steps(recipients(previous), requirement([id], allowsOthers: true), ring) == [
                .replace(0, with: 0)
            ])
        // A key of the rule that is not configured stays missing.
        #expect(try steps(recipients(id), requirement([id, foreign]), ring) == [])
        #expect(throws: InputError.self) { try steps(recipients(id), requirement([foreign]), ring) }
        #expect(throws: InputError.self) { try steps(recipients(foreign), requirement([id]), ring) }
    }

    /// For random recipients, rules and rings: a plan leaves no recipient that the rule does not allow, adds each required
    /// key that is configured, and repeats nothing.
    @Test(arguments: 1...4)
    func plansReachTheRule(seed: Int) throws {
        var generator = SeededGenerator(seed)
        let ids = keys.map(\.keyID) + [awsID, "vault-transit:transit/old"]
        for _ in 0..<300 {
            func some(_ generator: inout SeededGenerator) -> ArraySlice<String> {
                ids.shuffled(using: &generator).prefix(Int.random(in: 1...3, using: &generator))
            }
            let present = some(&generator).map { Recipient(keyID: $0, wrappedKey: "A234567890123456") }
            let hasBackend = Bool.random(using: &generator)
            let listed = hasBackend ? ["local", awsID] : Array(some(&generator))
            let requirement = try requirement(listed, allowsOthers: Bool.random(using: &generator))
            let order = keys.shuffled(using: &generator)
            let ring = KeyRing(primary: order[0], others: [order[1], order[2], aws])
            guard let steps = try? steps(present, requirement, ring) else { continue }
            var result: [String?] = present.map { $0.keyID }
            for step in steps {
                switch step {
                case .replace(let index, let key): result[index] = ring.all[key].keyID
                case .add(let key): result.append(ring.all[key].keyID)
                case .remove(let index), .supersede(let index, _): result[index] = nil
                case .refresh: break
                }
            }
            let after = result.compactMap(\.self)
            #expect(!after.isEmpty)
            #expect(Set(after).count == after.count, "\(present) \(listed) \(steps)")
            #expect(requirement.unlisted(after) == [])
            for key in requirement.missing(from: after) {
                #expect(requirement.wrappingKey(for: key, in: ring) == nil, "\(key) \(steps)")
            }
        }
    }

    // Edit.

    private func edit(_ ring: KeyRing, notes: Recorder<String> = Recorder()) async throws -> ValueDifference {
        let rule = try rule()
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring, rule: rule)
        return try await ValueEdit(opened, with: ring, rule: rule, note: { notes.append($0) }).replaceValues(
            with: [SecretEntry(name: "pw", value: SharedSecret(copying: "new".utf8))])
    }

    @Test func editsForTheRecipientsOfTheRule() async throws {
        try await wrap(KeyRing(primary: keys[2]))
        try writeRules("recipients: \(both)")
        let notes = Recorder<String>()
        _ = try await edit(KeyRing(primary: local, others: [keys[2], aws]), notes: notes)
        #expect(try keyIDs() == [local.keyID, awsID])
        #expect(await problems(KeyRing(primary: local, others: [aws])) == [])
        #expect(notes.elements.count == 1)
        #expect(notes.elements.first?.hasSuffix("+ \(local.keyID), + \(awsID), - \(keys[2].keyID)") == true)
    }

    @Test func editFailsWithoutARequiredKey() async throws {
        try await wrap(KeyRing(primary: local))
        let before = try temporary.read("production/db.yaml")
        try writeRules("recipients: \(both)")
        await #expect(throws: InputError.self) { _ = try await edit(KeyRing(primary: local)) }
        #expect(try temporary.read("production/db.yaml") == before)
    }

    @Test func editFailsIfTheBindingBreaksTheRule() async throws {
        try await wrap(KeyRing(primary: local))
        try writeRules("scope: cluster")
        let message = await errorMessage { () throws(InputError) in
            do {
                _ = try await edit(KeyRing(primary: local))
            } catch let error as InputError {
                throw error
            } catch {
                Issue.record(error)
            }
        }
        #expect(message?.contains("spec.scope is \"strict\", and rule production/**") == true)
        #expect(message?.hasSuffix("or give --rules none") == true)
    }
}
