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

/// What is told of WrappedSecrets: status, inspect, verify.
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

    @Test func inspectionNeedsNoKey() async throws {
        try await write()
        let document = try WrappedSecretFile(reading: path).documents[0]
        let inspection = try Inspection(document, namespace: nil)
        let text = inspection.lines.joined(separator: "\n")
        for part in ["payments/db", key.keyID, "scope strict", "pw, \(canary.utf8.count) bytes"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(try json(inspection.value)["entries"]?.items?[0]["bytes"] == .int(canary.utf8.count))
    }

    @Test func whatOpensIsWell() async throws {
        try await write()
        #expect(await verify(KeyRing(primary: key)) == [])
        #expect(await verify(nil) == [])
    }

    @Test func verifyNotesWhatTheControllerDeniesByDefault() async throws {
        try await write {
            $0 + "  template: {metadata: {annotations: {propagate.hnc.x-k8s.io/select: team}}}\n"
        }
        let result = await Verification(keys: nil, namespace: nil).verify(WrappedSecretFiles(reading: [path]))
        #expect(result.problems == [])
        #expect(result.notes.count == 1)
        #expect(
            result.notes.first?.hasPrefix("\(path):1:1: annotation propagate.hnc.x-k8s.io/select ") == true)
    }

    @Test func theSumSaysOfTheOthersWhatIsTrue() async throws {
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
    func whatWasTamperedWithIsNamed(part: String) async throws {
        try await write { text in
            part == "name: db" ? text.replacing(part, with: "name: dc") : Self.flip(text, after: part)
        }
        let problems = await verify(KeyRing(primary: key))
        #expect(problems.count == 1)
        #expect(problems[0].hasPrefix("\(path):1:1: "))
        expectSafeMessage(problems[0])
        // Nobody can tell without the key.
        #expect(await verify(nil) == [])
    }

    @Test func structureIsCheckedWithoutAKey() async throws {
        try await write { $0.replacing("scope: strict", with: "scope: loose") }
        #expect(await verify(nil).count == 1)
        try folder.write("a.yaml", "kind: WrappedSecret\napiVersion: secrets-bridge.io/v1alpha1\nspec: {}\n")
        #expect(await verify(nil).count == 1)
    }

    /// What fits the CRD and is refused by the API server, or by the API server for the Secret.
    @Test(arguments: [
        ("annotations", 5, 60_000, "metadata.annotations has"), ("labels", 1, 64, "is not a label"),
        ("template", 5, 60_000, "the Secret would have"),
    ])
    func whatTheAPIServerRefusesIsFound(field: String, count: Int, size: Int, part: String) async throws {
        let value = String(repeating: "x", count: size)
        let pairs = (0..<count).map { "a\($0): \(value)" }.joined(separator: ", ")
        try await write { text in
            field == "template"
                ? text.replacing(
                    "spec:\n", with: "spec:\n  template: {metadata: {annotations: {\(pairs)}}}\n")
                : text.replacing("metadata:\n", with: "metadata:\n  \(field): {\(pairs)}\n")
        }
        let problems = await verify(nil)
        #expect(problems.count == 1 && problems.first?.contains(part) == true, "\(problems)")
    }

    @Test func whatATemplateCannotHaveIsNoted() async throws {
        try await write {
            $0.replacing("spec:\n", with: "spec:\n  template: {metadata: {finalizers: [a/b]}}\n")
        }
        let result = await Verification(keys: nil, namespace: nil).verify(WrappedSecretFiles(reading: [path]))
        #expect(result.problems == [])
        #expect(result.notes.map { $0.contains("spec.template.metadata.finalizers") } == [true])
    }

    @Test func aSecretOfASealedSecretHasAWayOut() {
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
        let row = WrappedSecretSummary(
            WrappedSecret(metadata: ObjectMeta(name: "x", namespace: "n"), spec: spec, status: status))
        #expect(row.handoverAdvice?.contains("kubectl delete sealedsecret -n n db --cascade=orphan") == true)
        #expect(
            row.handoverAdvice?.contains("kubectl annotate secret -n n db secrets-bridge.io/allow=adopt")
                == true)
        #expect(self.row().handoverAdvice == nil)
    }

    @Test func whatIsSuspendedIsShown() async throws {
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
        let row = WrappedSecretSummary(synced)
        #expect(
            WrappedSecretSummary.table([row], isWide: false).lines.last?.contains(" Synced (suspended) ")
                == true)
        #expect(try json(row.value)["suspended"] == .bool(true))
        #expect(try json(self.row().value)["suspended"] == .bool(false))
        let inspection = try Inspection(WrappedSecretFile(reading: path).documents[0], namespace: nil)
        #expect(inspection.lines.contains { $0.contains("suspended") })
        #expect(try json(inspection.value)["suspended"] == .bool(true))
    }

    /// The first character after `part` becomes another one that is as good.
    private static func flip(_ text: String, after part: String) -> String {
        var text = text
        guard let place = text.range(of: part)?.upperBound else { return text }
        let index = text[place] == "\"" ? text.index(after: place) : place
        text.replaceSubrange(index...index, with: text[index] == "A" ? "B" : "A")
        return text
    }

    private func row(_ recipients: (String, String)...) -> WrappedSecretSummary {
        WrappedSecretSummary(
            WrappedSecret(
                metadata: ObjectMeta(name: "x", namespace: "n"),
                spec: WrappedSecretSpec(
                    envelope: EnvelopeFields(
                        format: "v1", scope: "strict",
                        recipients: recipients.map { Recipient(keyID: $0.0, wrappedKey: $0.1) }, mac: "",
                        data: [:]))))
    }

    @Test func keysAreCountedByVersion() throws {
        let vault = "vault-transit:transit/k"
        let uses = KeyUsage.count([
            row((vault, "vault:v10:QUJD")), row((vault, "vault:v9:QUJD")),
            row((vault, "vault:v9:QUJD"), (key.keyID, "QUJD")),
        ])
        #expect(
            KeyUsage.table(uses).lines.dropFirst().map {
                $0.split(separator: " ").dropFirst().joined(separator: " ")
            }
                == ["- 1 0", "9 2 1", "10 1 1"])
        #expect(try row((vault, "vault:v9:QUJD")).mayList(KeySelector("vault-transit"), version: "9"))
        #expect(try !row((vault, "vault:v9:QUJD")).mayList(KeySelector("vault-transit"), version: "1"))
        #expect(try !row((vault, "vault:v9:QUJD")).mayList(KeySelector("local"), version: nil))
    }

    /// A row that nobody can read is no proof that a key can go.
    @Test func whatCannotBeToldIsKeptIn() throws {
        let vault = "vault-transit:transit/k"
        #expect(try row((vault, "garbage")).mayList(KeySelector("vault-transit"), version: "1"))
        #expect(row((vault, "garbage")).unknownKeysNote == nil)
        let malformed = WrappedSecretSummary(
            Decoded<WrappedSecret>.malformed(
                ObjectMeta(name: "x", namespace: "n"), status: nil, problem: "spec is missing"))
        for row in [row(), malformed] {
            #expect(try row.mayList(KeySelector("vault-transit"), version: "1"))
            #expect(row.unknownKeysNote?.hasPrefix("n/x: ") == true)
            expectSafeMessage(row.unknownKeysNote)
        }
    }

    @Test(arguments: [
        "local", "vault-transit", "aws-kms", "local:0123", "vault-transit:transit/sb-wrap",
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ])
    func keysHaveNames(name: String) throws {
        #expect(try KeySelector(name).description == name)
    }

    @Test(arguments: [
        "", "valt-transit", "valt-transit:transit/sb-wrap", "vault-transit:", "aws-kms:x", "transit/sb-wrap",
        "arn",
        "arn:aws:kms:eu-west-1:111122223333:alias/sb-wrap", "alias/sb-wrap", "vault-transit ",
    ])
    func whatNoRowCanListIsNoKeyName(name: String) {
        let message = errorMessage { () throws(InputError) in try KeySelector(name) }
        #expect(message?.contains("vault-transit") == true)
        expectSafeMessage(message)
    }

    @Test func columnsStartAtTheSamePlace() {
        var table = TextTable(["A", "LONG", "C"])
        table.add(["long cell", "x", "y"])
        #expect(table.lines == ["A           LONG   C", "long cell   x      y"])
    }

    @Test func controlCharactersShowAndDoNothing() {
        #expect(
            "a\u{1B}[2J\n\u{7F}\u{9B}\u{2028}é\\\"".escapingInvisibleCharacters
                == "a\\u{1B}[2J\\n\\u{7F}\\u{009B}\\u{2028}é\\\"")
        var table = TextTable(["A", "B"])
        table.add(["x\u{1B}\n", "y"])
        #expect(table.lines == ["A           B", #"x\u{1B}\n   y"#])
    }
}
