import Cryptography
import Envelope
import KMS
import Resources
import TestSupport
import Testing
import YAML

@testable import CLI

/// Commands that change a file keep every comment and blank line, also beside values in block scalars, all of which an edit
/// replaces.
struct CommentPreservationTests {
    private let key: LocalKeyManager
    private let other: LocalKeyManager
    private let folder: TemporaryFolder
    private var ring: KeyRing { KeyRing(primary: key) }
    private var path: String { folder.path("a.yaml") }

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        other = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 2, count: 32)))
        folder = try TemporaryFolder()
    }

    private func secret(_ entries: [String: String]) -> [SecretEntry] {
        entries.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8)) }
    }

    /// Writes a WrappedSecret whose ciphertexts are block scalars.
    private func write(data: String? = nil) async throws {
        let fields = try await Envelope.seal(
            secret(data == nil ? ["a": "1", "b": "2"] : [:]),
            binding: try Binding(scope: .strict, namespace: "payments", secretName: "db"), with: key
        ).fields
        let entries = """
            data: # the data
                # about a
                a: >-   # rotate every 90 days
                  \(fields.data["a"] ?? "")


                # about b
                b: |- # owner: ops
                  \(fields.data["b"] ?? "")

                # after b
            """
        try folder.write(
            "a.yaml",
            """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata:
              name: db
              namespace: payments
            spec:
              recipients:
              - keyID: \(fields.recipients[0].keyID)
                wrappedKey: |- # wrapped
                  \(fields.recipients[0].wrappedKey)

              mac: >- # the MAC
                \(fields.mac)

              \(data ?? entries)
              # before the format
              format: v1
              scope: strict

            """)
    }

    /// The comments and blank lines of the file.
    private func marks() throws -> [String] {
        try folder.read("a.yaml").split(separator: "\n", omittingEmptySubsequences: false).compactMap {
            line in
            if line.isEmpty { return "" }
            return line.firstIndex(of: "#").map { String(line[$0...]) }
        }
    }

    private func edit(_ change: (inout [String: String]) -> Void) async throws {
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        var entries = Dictionary(
            uniqueKeysWithValues: opened.entries.map { ($0.name, text($0.value) ?? "") })
        change(&entries)
        _ = try await ValueEdit(opened, with: ring).replaceValues(with: secret(entries))
    }

    @Test func aChangedEntryKeepsTheCommentsOfAll() async throws {
        try await write()
        let before = try marks()
        try await edit { $0["a"] = "new" }
        #expect(try marks() == before)
        try await edit { $0["c"] = "new" }
        #expect(try marks() == before)
    }

    @Test func aRemovedEntryKeepsTheLinesAroundIt() async throws {
        try await write()
        let before = try marks()
        try await edit { $0["a"] = nil }
        #expect(try marks() == before.filter { !$0.contains("rotate") })
        try await edit { $0["b"] = nil }
        #expect(try marks() == before.filter { !$0.contains("rotate") && !$0.contains("owner") })
        #expect(try folder.read("a.yaml").contains("  data: {} # the data\n"))
        try await edit { $0["c"] = "3" }
        #expect(try folder.read("a.yaml").contains("  data: # the data\n    c: "))
        #expect(try marks() == before.filter { !$0.contains("rotate") && !$0.contains("owner") })
    }

    @Test(arguments: ["data: {} # keep me", "data: # keep me", "data: null # keep me"])
    func theFirstEntryKeepsTheCommentOfTheEmptyData(data: String) async throws {
        try await write(data: data)
        let before = try marks()
        try await edit { $0["a"] = "1" }
        #expect(try marks() == before)
        #expect(try folder.read("a.yaml").contains("  data: # keep me\n    a: "))
    }

    /// A rule replaces the first of two recipients, and lists the others in another order.
    @Test func commentsStayBesideTheirRecipients() {
        func recipient(_ name: String, _ version: String = "1") -> Recipient {
            Recipient(keyID: "local:\(name)", wrappedKey: "\(name)\(version)")
        }
        let (a, b, c) = (recipient("a"), recipient("b"), recipient("c"))
        let (newA, newB, newD) = (recipient("a", "2"), recipient("b", "2"), recipient("d", "2"))
        func change(to new: [Recipient]) -> [Recipient?] {
            RecipientChange(from: [a, b, c], toAllOf: new).replacements
        }
        #expect(change(to: [newB, newA]) == [newA, newB, nil])
        #expect(change(to: [newB]) == [nil, newB, nil])
        #expect(change(to: [newD, newB, newA]) == [newA, newB, newD])
        let more = RecipientChange(from: [b], toAllOf: [newA, newB, newD])
        #expect(more.replacements == [newB])
        #expect(more.added == [newA, newD])
    }

    @Test func aRuleThatRemovesARecipientKeepsTheCommentsOfTheOthers() async throws {
        let fields = try await Envelope.seal(
            secret(["a": "1"]), binding: try Binding(scope: .strict, namespace: "payments", secretName: "db"),
            with: key, recipients: [other]
        ).fields
        let recipients = zip(fields.recipients, ["old", "team"]).map { recipient, name in
            "  # of the \(name)\n  - keyID: \(recipient.keyID) # \(name)\n    wrappedKey: \(recipient.wrappedKey)\n"
        }
        try folder.write(
            "a.yaml",
            """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata: {name: db, namespace: payments}
            spec:
              format: v1
              scope: strict
              mac: \(fields.mac)
              data: {a: "\(fields.data["a"] ?? "")"}
              recipients:
            \(recipients.joined())
            """)
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil,
            with: KeyRing(primary: other))
        let new = try await Envelope.seal(
            secret(["a": "2"]), binding: opened.desiredSecret.envelope.binding, with: other
        ).fields
        let edit = ValueEdit(opened, with: KeyRing(primary: other))
        try opened.file.applyEdits { editor throws(SourceEditError) in
            try edit.replaceEnvelope(with: new, in: &editor)
        }
        let text = try folder.read("a.yaml")
        #expect(text.contains("- keyID: \(other.keyID) # team\n"), "\(text)")
        #expect(!text.contains(key.keyID), "\(text)")
    }

    @Test func aRewrapKeepsTheComments() async throws {
        try await write()
        let before = try marks()
        await FileRewrapper(
            keys: KeyRing(primary: other, others: [key]), strategy: .refresh, namespace: nil, isDryRun: false
        ).rewrap([path]) { _ in }
        let text = try folder.read("a.yaml")
        #expect(text.contains(other.keyID))
        #expect(try marks() == before)
    }

    @Test func aMoveKeepsTheComments() async throws {
        try await write()
        try folder.write("a.yaml", try folder.read("a.yaml") + "  template: {} # the template\n")
        let before = try marks()
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        let move = DocumentMove(
            opened, to: .init(namespace: "billing", name: nil, secretName: "other"), with: ring)
        try move.replaceFile(with: try #require(try await move.editedContents()))
        #expect(try marks() == before)
        #expect(try folder.read("a.yaml").contains("  template: # the template\n    metadata:\n"))
    }

    /// The blank lines after a block scalar are not part of a field that a merge replaces.
    @Test func theRegionOfAFieldEndsBeforeBlankLines() async throws {
        try await write()
        let file = try WrappedSecretFile(reading: path)
        let region = try #require(EnvelopeRegion(of: file.documents[0], in: file))
        for (name, field) in region.fields {
            let text = String(decoding: field.text, as: UTF8.self)
            #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"), "\(name)")
        }
        #expect(region.block != nil)
        try folder.write("a.yaml", try folder.read("a.yaml").replacing("\n  mac", with: "  # between\n  mac"))
        let other = try WrappedSecretFile(reading: path)
        #expect(EnvelopeRegion(of: other.documents[0], in: other)?.block == nil)
    }
}
