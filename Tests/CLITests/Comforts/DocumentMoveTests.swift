import Cryptography
import Envelope
import Foundation
import KMS
import TestSupport
import Testing

@testable import CLI

/// Moves WrappedSecrets of files.
@Suite struct DocumentMoveTests {
    private let key: LocalKeyManager
    private let folder: TemporaryFolder
    private var ring: KeyRing { KeyRing(primary: key) }
    private var path: String { folder.path("a.yaml") }

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        folder = try TemporaryFolder()
    }

    /// Writes a WrappedSecret with comments and the given fields.
    @discardableResult
    private func write(
        scope: Scope = .strict, metadata: String = "{name: db, namespace: payments} # here",
        secretName: String = "db", spec: String = "", more: String = ""
    ) async throws -> String {
        let entry = SecretEntry(name: "a", value: SharedSecret(copying: canary.utf8))
        let fields = try await Envelope.seal(
            [entry], binding: try Binding(scope: scope, namespace: "payments", secretName: secretName),
            with: key
        ).fields
        let text = """
            # The database.
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata: \(metadata)
            spec:
              mac: "\(fields.mac)" # the MAC
              data:
                # About a
                a: '\(fields.data["a"] ?? "")' # end
              format: v1
              recipients:
              - {keyID: '\(fields.recipients[0].keyID)', wrappedKey: '\(fields.recipients[0].wrappedKey)'}
              scope: \(scope.rawValue)
            \(spec)\(more)
            """
        try folder.write("a.yaml", text)
        return text
    }

    private func open(_ name: String? = nil, _ namespace: String? = nil) async throws -> OpenedDocument {
        try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: name, namespace: namespace, with: ring)
    }

    /// Moves the WrappedSecret in the file, and returns the notes.
    @discardableResult
    private func move(
        namespace: String? = nil, name: String? = nil, secretName: String? = nil, from: String? = nil
    ) async throws -> [String] {
        let move = DocumentMove(
            try await open(from), to: .init(namespace: namespace, name: name, secretName: secretName),
            with: ring)
        let contents = try #require(try await move.editedContents())
        try move.replaceFile(with: contents)
        return move.notes
    }

    /// The lines that differ, after the edit.
    private func changes(since before: String) throws -> [String] {
        let after = try folder.read("a.yaml")
        #expect(before.split(separator: "\n").count <= after.split(separator: "\n").count)
        let old = Set(before.split(separator: "\n"))
        return after.split(separator: "\n").filter { !old.contains($0) }.map(String.init)
    }

    @Test func sealsForTheNewNamespaceAndKeepsTheRest() async throws {
        let before = try await write()
        let notes = try await move(namespace: "billing")
        let opened = try await open()
        #expect(opened.namespace == "billing")
        #expect(opened.entries.map { text($0.value) } == [canary])
        let changed = try changes(since: before)
        #expect(changed.count == 4, "\(changed)")
        #expect(changed[0] == "metadata: {name: db, namespace: billing} # here")
        #expect(changed[1].hasSuffix("\" # the MAC"))
        #expect(changed[2].hasSuffix("' # end"))
        #expect(changed[3].contains("wrappedKey"))
        #expect(notes.count == 1)
        #expect(notes[0].contains("Secret payments/db stays"), "\(notes)")
        #expect(notes[0].contains("kubectl delete wrappedsecret -n payments db"), "\(notes)")
    }

    @Test func renamesTheWrappedSecretAndItsSecret() async throws {
        try await write()
        try await move(name: "orders")
        let opened = try await open()
        #expect(opened.name == "orders")
        #expect(opened.secretName == "orders")
        #expect(opened.entries.map { text($0.value) } == [canary])
    }

    @Test func keepsTheNameOfTheSecretOnRequest() async throws {
        let before = try await write()
        let notes = try await move(name: "orders", secretName: "db")
        let opened = try await open()
        #expect(opened.name == "orders")
        #expect(opened.secretName == "db")
        #expect(notes[0].contains("OwnedByAnother"), "\(notes)")
        // The binding is the same.
        #expect(
            try changes(since: before) == [
                "metadata: {name: orders, namespace: payments} # here", "  template:", "    metadata:",
                "      name: db",
            ])
    }

    @Test(arguments: [
        ("  template: {metadata: {name: x}}\n", "  template: {metadata: {name: new}}"),
        ("  template:\n    metadata:\n      labels: {a: b} # l\n", "      name: new"),
        ("  template:\n    type: Opaque\n", "    metadata:|      name: new"),
        ("  template: {}\n", "  template:|    metadata:|      name: new"),
    ])
    func changesTheNameInATemplate(template: String, lines: String) async throws {
        let hasName = template.contains("name: x")
        let before = try await write(secretName: hasName ? "x" : "db", spec: template)
        let notes = try await move(secretName: "new")
        #expect(try await open().secretName == "new")
        let expected = lines.split(separator: "|").map(String.init)
        #expect(try changes(since: before).suffix(expected.count) == expected[...])
        #expect(
            notes[0].hasPrefix("the controller creates Secret new, and then deletes Secret payments/"),
            "\(notes)"
        )
    }

    @Test(arguments: [
        ("Orphan", "the controller creates Secret new, and Secret payments/db stays"),
        (
            "Merge",
            "the controller adds the entries to Secret new, and then removes them from Secret payments/db"
        ),
    ])
    func tellsWhatARenamedSecretLeaves(policy: String, note: String) async throws {
        try await write(spec: "  creationPolicy: \(policy)\n")
        #expect(try await move(secretName: "new")[0].hasPrefix(note))
    }

    @Test func keepsTheCiphertextThatIsNotBoundToTheName() async throws {
        let before = try await write(scope: .namespace)
        try await move(name: "orders")
        #expect(
            try changes(since: before) == ["metadata: {name: orders, namespace: payments} # here"])
        let second = try folder.read("a.yaml")
        try await move(namespace: "billing")
        #expect(try changes(since: second).count == 4)
        #expect(try await open().namespace == "billing")
    }

    @Test func keepsTheCiphertextOfScopeCluster() async throws {
        let before = try await write(scope: .cluster)
        try await move(namespace: "billing", name: "orders")
        #expect(try changes(since: before) == ["metadata: {name: orders, namespace: billing} # here"])
    }

    @Test func addsANamespaceToAFileWithoutOne() async throws {
        try await write(metadata: "\n  name: db # n\n  labels: {a: b}")
        let opened = try await open(nil, "payments")
        let move = DocumentMove(
            opened, to: .init(namespace: "billing", name: nil, secretName: nil), with: ring)
        try move.replaceFile(with: try #require(try await move.editedContents()))
        #expect(
            try folder.read("a.yaml").contains(
                "metadata:\n  name: db # n\n  labels: {a: b}\n  namespace: billing\n")
                || folder.read("a.yaml").contains(
                    "metadata: \n  name: db # n\n  labels: {a: b}\n  namespace: billing\n")
        )
        #expect(try await open().namespace == "billing")
    }

    @Test func changesNothingInPlace() async throws {
        try await write()
        let move = DocumentMove(
            try await open(), to: .init(namespace: "payments", name: "db", secretName: "db"), with: ring)
        #expect(try await move.editedContents() == nil)
    }

    @Test func movesOneOfSeveralDocuments() async throws {
        let other = "\n---\nkind: ConfigMap # other\n"
        try await write(more: other)
        try await move(namespace: "billing")
        #expect(try folder.read("a.yaml").hasSuffix(other))
        let move = DocumentMove(
            try await open(), to: .init(namespace: "x", name: nil, secretName: nil), with: ring)
        #expect(throws: InputError.self) { try move.checkOnlyDocument() }
    }

    @Test func refusesANameThatTheFileHas() async throws {
        let first = try await write()
        try folder.write("a.yaml", first + "\n---\n" + first.replacing("name: db", with: "name: orders"))
        let move = DocumentMove(
            try await open("db"), to: .init(namespace: nil, name: "orders", secretName: nil), with: ring)
        let message = await errorMessage { () throws(InputError) in try await move.editedContents() }
        #expect(
            message?.contains("the file has a WrappedSecret payments/orders already") == true,
            "\(message ?? "")")
        expectSafeMessage(message)
    }

    @Test(arguments: [
        ("  creationPolicy: Orphan\n", "stays also after the old WrappedSecret is deleted"),
        ("  creationPolicy: Merge\n", "the entries stay in Secret payments/db"),
        ("  keyRef: {kind: KeyProvider, name: own}\n", "stays until its WrappedSecret is deleted"),
    ])
    func tellsWhatBecomesOfTheSecret(spec: String, note: String) async throws {
        try await write(spec: spec)
        let notes = try await move(namespace: "billing")
        #expect(notes[0].contains(note), "\(notes)")
        #expect(notes.count == (spec.contains("KeyProvider") ? 2 : 1), "\(notes)")
    }

    @Test func notesMetadataOfTheAPIServer() async throws {
        try await write(metadata: "{name: db, namespace: payments, uid: x}")
        #expect(
            try await move(namespace: "billing").last?.contains("metadata.uid belong to the old object")
                == true)
    }

    @Test func leavesTheFileIfAKeyIsMissing() async throws {
        let before = try await write()
        let opened = try await open()
        let other = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 2, count: 32)))
        let move = DocumentMove(
            opened, to: .init(namespace: "billing", name: nil, secretName: nil), with: KeyRing(primary: other)
        )
        let message = await errorMessage { () throws(InputError) in try await move.editedContents() }
        #expect(message?.contains("is a recipient but not a configured key") == true)
        #expect(try folder.read("a.yaml") == before)
    }
}
