import Cryptography
import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import System
import TestSupport
import Testing
import YAML

@testable import CLI

/// Shows WrappedSecrets with status, inspect and verify.
struct InspectTests {
    private let key: LocalKeyManager
    private let folder: TemporaryFolder
    private var path: String { folder.path("a.yaml") }

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        folder = try TemporaryFolder()
    }

    private func write(_ change: (String) -> String = { $0 }) async throws {
        let secret = try SecretManifestReader.secrets(
            in: secretBytes(
                "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {pw: \(canary)}\n"),
            source: "x")
        let output = try await SecretWrapper(
            keys: KeyRing(primary: key), scope: .strict, namespace: "payments"
        ).wrap(secret[0])
        try folder.write("a.yaml", change(yaml(output.manifest)))
    }

    private func verify(_ keys: KeyRing?) async -> [String] {
        await Verification(keys: keys, namespace: nil).verify(WrappedSecretFiles(reading: [path])).problems
    }

    @Test func inspectsWithoutAKey() async throws {
        try await write()
        let document = try WrappedSecretFile(reading: path).documents[0]
        let inspection = try Inspection(document, namespace: nil)
        let text = inspection.lines.joined(separator: "\n")
        for part in ["payments/db", key.keyID, "scope strict", "pw, \(canary.utf8.count) bytes"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(try json(inspection.value)["entries"]?.items?[0]["bytes"] == .int(canary.utf8.count))
    }

    @Test func verifiesAnIntactWrappedSecret() async throws {
        try await write()
        #expect(await verify(KeyRing(primary: key)) == [])
        #expect(await verify(nil) == [])
    }

    @Test func notesMetadataThatTheControllerDeniesByDefault() async throws {
        try await write {
            $0 + "  template: {metadata: {annotations: {propagate.hnc.x-k8s.io/select: team}}}\n"
        }
        let result = await Verification(keys: nil, namespace: nil).verify(WrappedSecretFiles(reading: [path]))
        #expect(result.problems == [])
        #expect(result.notes.count == 1)
        #expect(
            result.notes.first?.hasPrefix("\(path):1:1: annotation propagate.hnc.x-k8s.io/select ") == true)
    }

    @Test func summarisesProblemsAndSuccesses() async throws {
        try await write()
        let bad = try folder.write("b.yaml", Self.flip(folder.read("a.yaml"), after: "mac: "))
        let cases = [
            ([path], "1 WrappedSecret, 0 problems; all open"),
            ([path, bad], "2 WrappedSecrets, 1 problem; the others open"),
            ([bad], "1 WrappedSecret, 1 problem"), ([bad, "/nowhere"], "1 WrappedSecret, 2 problems"),
            ([path, "/nowhere"], "1 WrappedSecret, 1 problem; the others open"),
        ]
        for (paths, summary) in cases {
            let result = await Verification(keys: KeyRing(primary: key), namespace: nil).verify(
                WrappedSecretFiles(reading: paths))
            #expect(result.summary("open") == summary)
        }
    }

    @Test(arguments: ["pw: ", "mac: ", "name: db"])
    func detectsTamperingWithAKey(part: String) async throws {
        try await write { text in
            part == "name: db" ? text.replacing(part, with: "name: dc") : Self.flip(text, after: part)
        }
        let problems = await verify(KeyRing(primary: key))
        #expect(problems.count == 1)
        #expect(problems[0].hasPrefix("\(path):1:1: "))
        expectSafeMessage(problems[0])
        // Without the key, tampering cannot be detected.
        #expect(await verify(nil) == [])
    }

    @Test func checksTheStructureWithoutAKey() async throws {
        try await write { $0.replacing("scope: strict", with: "scope: loose") }
        #expect(await verify(nil).count == 1)
        try folder.write("a.yaml", "kind: WrappedSecret\napiVersion: secrets-bridge.io/v1alpha1\nspec: {}\n")
        #expect(await verify(nil).count == 1)
    }

    /// The CRD allows these, and the API server refuses the WrappedSecret or its Secret.
    @Test(arguments: [
        ("annotations", 5, 60_000, "metadata.annotations has"), ("labels", 1, 64, "is not a label"),
        ("template", 5, 60_000, "the Secret would have"),
    ])
    func reportsWhatTheAPIServerRefuses(field: String, count: Int, size: Int, part: String) async throws {
        let value = String(repeating: "x", count: size)
        let pairs = (0..<count).map { "a\($0): \(value)" }.joined(separator: ", ")
        try await write { text in
            field == "template"
                ? text.replacing(
                    "spec:\n", with: "spec:\n  template: {metadata: {annotations: {\(pairs)}}}\n")
                : text.replacing("metadata:\n", with: "metadata:\n  \(field): {\(pairs)}\n")
        }
        let problems = await verify(nil)
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.contains(part) == true, "\(problems)")
    }

    @Test func notesUnsupportedTemplateMetadata() async throws {
        try await write {
            $0.replacing("spec:\n", with: "spec:\n  template: {metadata: {finalizers: [a/b]}}\n")
        }
        let result = await Verification(keys: nil, namespace: nil).verify(WrappedSecretFiles(reading: [path]))
        #expect(result.problems == [])
        #expect(result.notes.map { $0.contains("spec.template.metadata.finalizers") } == [true])
    }

    @Test func advisesTheHandoverOfASecretThatASealedSecretOwns() {
        var status = WrappedSecretStatus()
        status.conditions = [
            Condition(
                .ready, false, observedGeneration: 1, lastTransitionTime: "", reason: "OwnedByAnother",
                message: "Secret db belongs to SealedSecret db; choose another name")
        ]
        let template = WrappedSecretSpec.Template(metadata: .init(name: "db"))
        let spec = WrappedSecretSpec(
            envelope: EnvelopeFields(format: "v1", scope: "strict", recipients: [], mac: "", data: [:]),
            template: template)
        let summary = WrappedSecretSummary(
            WrappedSecret(metadata: ObjectMeta(name: "x", namespace: "n"), spec: spec, status: status))
        #expect(
            summary.handoverAdvice?.contains("kubectl delete sealedsecret -n n db --cascade=orphan") == true)
        #expect(
            summary.handoverAdvice?.contains("kubectl annotate secret -n n db secrets-bridge.io/allow=adopt")
                == true)
        #expect(self.summary().handoverAdvice == nil)
    }

    @Test func showsThatAWrappedSecretIsSuspended() async throws {
        try await write { $0 + "  suspend: true\n" }
        let object = try WrappedSecretFile(reading: path).documents[0].object
        #expect(
            WrappedSecretSummary.table([WrappedSecretSummary(object)], isWide: false).lines.last?.contains(
                " suspended ") == true)
        var synced = object
        synced.status = WrappedSecretStatus()
        synced.status?.conditions = [
            Condition(
                .ready, true, observedGeneration: 1, lastTransitionTime: "", reason: "Synced", message: "")
        ]
        let summary = WrappedSecretSummary(synced)
        #expect(
            WrappedSecretSummary.table([summary], isWide: false).lines.last?.contains(" Synced (suspended) ")
                == true)
        #expect(try json(summary.value)["suspended"] == .bool(true))
        #expect(try json(self.summary().value)["suspended"] == .bool(false))
        let inspection = try Inspection(WrappedSecretFile(reading: path).documents[0], namespace: nil)
        #expect(inspection.lines.contains { $0.contains("suspended") })
        #expect(try json(inspection.value)["suspended"] == .bool(true))
    }

    /// Returns the text with another valid character after `part`.
    private static func flip(_ text: String, after part: String) -> String {
        var text = text
        guard let place = text.range(of: part)?.upperBound else { return text }
        let index = text[place] == "\"" ? text.index(after: place) : place
        text.replaceSubrange(index...index, with: text[index] == "A" ? "B" : "A")
        return text
    }

    private func summary(_ recipients: (String, String)...) -> WrappedSecretSummary {
        WrappedSecretSummary(
            WrappedSecret(
                metadata: ObjectMeta(name: "x", namespace: "n"),
                spec: WrappedSecretSpec(
                    envelope: EnvelopeFields(
                        format: "v1", scope: "strict",
                        recipients: recipients.map { Recipient(keyID: $0.0, wrappedKey: $0.1) }, mac: "",
                        data: [:]))))
    }

    @Test func countsKeysByVersion() throws {
        let vault = "vault-transit:transit/k"
        let uses = KeyUsage.count([
            summary((vault, "vault:v10:QUJD")), summary((vault, "vault:v9:QUJD")),
            summary((vault, "vault:v9:QUJD"), (key.keyID, "QUJD")),
        ])
        #expect(
            KeyUsage.table(uses).lines.dropFirst().map {
                $0.split(separator: " ").dropFirst().joined(separator: " ")
            }
                == ["- 1 0", "9 2 1", "10 1 1"])
        #expect(try summary((vault, "vault:v9:QUJD")).mayList(KeySelector("vault-transit"), version: "9"))
        #expect(try !summary((vault, "vault:v9:QUJD")).mayList(KeySelector("vault-transit"), version: "1"))
        #expect(try !summary((vault, "vault:v9:QUJD")).mayList(KeySelector("local"), version: nil))
    }

    @Test func namesTheProvidersOfAKey() throws {
        var object = WrappedSecret(
            metadata: ObjectMeta(name: "x", namespace: "n"),
            spec: WrappedSecretSpec(
                envelope: EnvelopeFields(
                    format: "v1", scope: "strict",
                    recipients: [Recipient(keyID: "vault-transit:transit/k", wrappedKey: "vault:v1:QUJD")],
                    mac: "", data: [:])))
        object.spec.keyRef = .init(kind: "KeyProvider", name: "own")
        let summary = WrappedSecretSummary(object)
        #expect(KeyUsage.table(KeyUsage.count([summary])).lines.last?.hasSuffix("KeyProvider n/own") == true)
        #expect(
            WrappedSecretSummary.table([summary], isWide: true).lines.last?.contains("KeyProvider n/own")
                == true)
        #expect(try json(summary.value)["keyRef"]?["name"] == "own")
        #expect(try json(KeyUsage.count([summary])[0].value)["providers"]?.items == ["KeyProvider n/own"])
    }

    /// An unreadable WrappedSecret does not prove that a key is no longer needed.
    @Test func assumesThatAnUnreadableWrappedSecretMayListAKey() throws {
        let vault = "vault-transit:transit/k"
        #expect(try summary((vault, "garbage")).mayList(KeySelector("vault-transit"), version: "1"))
        #expect(summary((vault, "garbage")).unknownKeysNote == nil)
        let malformed = WrappedSecretSummary(
            Decoded<WrappedSecret>.malformed(
                ObjectMeta(name: "x", namespace: "n"), status: nil, problem: "spec is missing"))
        for summary in [summary(), malformed] {
            #expect(try summary.mayList(KeySelector("vault-transit"), version: "1"))
            #expect(summary.unknownKeysNote?.hasPrefix("n/x: ") == true)
            expectSafeMessage(summary.unknownKeysNote)
        }
    }

    @Test(arguments: [
        "local", "vault-transit", "aws-kms", "local:0123", "vault-transit:transit/sb-wrap",
        "vault-transit:eu:team-a/transit/sb-wrap", "vault-transit:a/b/transit/..sb-wrap",
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "gcp-kms",
        "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "azure-key-vault",
        "azure-key-vault:https://v.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef",
    ])
    func selectsKeysByIDOrBackend(name: String) throws {
        #expect(try KeySelector(name).description == name)
    }

    @Test(arguments: [
        "", "valt-transit", "valt-transit:transit/sb-wrap", "vault-transit:", "aws-kms:x", "transit/sb-wrap",
        "arn",
        "arn:aws:kms:eu-west-1:111122223333:alias/sb-wrap", "alias/sb-wrap", "vault-transit ",
        "gcp-kms:", "gcp-kms:k", "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions",
        "azure-key-vault:", "azure-key-vault:https://v.vault.azure.net/keys/k",
        "azure-key-vault:http://v.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef",
        // Keys have one notation.
        "vault-transit:a/../b:transit/k", "vault-transit:a/b:transit/k", "vault-transit::transit/k",
        "vault-transit:..:transit/k", "vault-transit:eu:eu:transit/k", "vault-transit:transit/../k",
        "vault-transit:transit/./k", "vault-transit:transit//k", "vault-transit:/transit/k",
        "vault-transit:k",
        "vault-transit:transit/k/", "gcp-kms:projects/../locations/l/keyRings/r/cryptoKeys/k",
        "azure-key-vault:https://../keys/k/0123456789abcdef0123456789abcdef",
        "azure-key-vault:https://v.vault.azure.net/keys/../0123456789abcdef0123456789abcdef",
    ])
    func refusesAKeyThatNoWrappedSecretCanList(name: String) {
        let message = errorMessage { () throws(InputError) in try KeySelector(name) }
        #expect(message?.contains("vault-transit") == true)
        expectSafeMessage(message)
    }

    @Test func alignsColumns() {
        var table = TextTable(["A", "LONG", "C"])
        table.add(["long cell", "x", "y"])
        #expect(table.lines == ["A           LONG   C", "long cell   x      y"])
    }

    @Test func escapesControlCharacters() {
        #expect(
            "a\u{1B}[2J\n\u{7F}\u{9B}\u{2028}é\\\"".escapingInvisibleCharacters
                == "a\\u{1B}[2J\\n\\u{7F}\\u{009B}\\u{2028}é\\\"")
        var table = TextTable(["A", "B"])
        table.add(["x\u{1B}\n", "y"])
        #expect(table.lines == ["A           B", #"x\u{1B}\n   y"#])
    }
}

struct ShortKeyNamesTests {
    private static let arn = "arn:aws:kms:eu-west-1:111122223333:key/"

    @Test(arguments: [
        ("local:" + String(repeating: "0123456789abcdef", count: 4), "local:0123456789ab"),
        (arn + "1234abcd-12ab-34cd-56ef-1234567890ab", "aws-kms:eu-west-1/1234abcd"),
        (arn + "mrk-1234abcd12ab34cd56ef1234567890ab", "aws-kms:eu-west-1/mrk-1234abcd"),
        ("vault-transit:transit/sb-wrap", "vault-transit:transit/sb-wrap"),
        (
            "gcp-kms:projects/p1/locations/europe-west1/keyRings/my-ring/cryptoKeys/sb-wrap",
            "gcp-kms:europe-west1/my-ring/sb-wrap"
        ),
        (
            "azure-key-vault:https://v1.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcdef",
            "azure-key-vault:v1/sb-wrap/01234567"
        ),
        (
            "vault-transit:organisation/team/environment/transit/sb-wrap",
            "vault-transit:...ronment/transit/sb-wrap"
        ),
        ("-", "-"), ("", ""),
    ])
    func abbreviatesKeyIDs(id: String, label: String) {
        #expect(ShortKeyNames([id])[id] == label)
        #expect(ShortKeyNames([id])["another"] == "another")
    }

    @Test func keepsIDsWithEqualAbbreviations() {
        let ids = [Self.arn + "1234abcd-1", Self.arn + "1234abcd-2", Self.arn + "5678abcd-1"]
        let labels = ShortKeyNames(ids + ids)
        #expect(ids.map { labels[$0] } == [ids[0], ids[1], "aws-kms:eu-west-1/5678abcd"])
    }
}
