import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import TestSupport
import Testing
import YAML

@testable import CLI

/// Edits values in files.
struct ValueEditTests {
    private let key: LocalKeyManager
    private let other: LocalKeyManager
    private let folder: TemporaryFolder
    private var ring: KeyRing { KeyRing(primary: key) }

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        other = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 2, count: 32)))
        folder = try TemporaryFolder()
    }

    private var path: String { folder.path("a.yaml") }
    private func read() throws -> String { try folder.read("a.yaml") }
    private func secret(_ entries: [String: String]) -> [SecretEntry] {
        entries.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8)) }
    }

    /// Writes a WrappedSecret with comments, followed by a second document.
    @discardableResult
    private func write(
        _ entries: [String: String], by keys: [LocalKeyManager], isFlow: Bool = false
    ) async throws -> String {
        let fields = try await Envelope.seal(
            secret(entries), binding: try Binding(scope: .strict, namespace: "payments", secretName: "db"),
            with: keys[0], recipients: Array(keys.dropFirst())
        ).fields
        let pairs = fields.data.sorted { $0.key < $1.key }.map { "\($0.key): '\($0.value)'" }
        let data =
            isFlow
            ? "{\(pairs.joined(separator: ", "))}"
            : pairs.map { "\n    # About \($0.prefix(3))\n    \($0) # end" }.joined()
        let text = """
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata: {name: db, namespace: payments} # here
            spec:
              mac: "\(fields.mac)" # the MAC
              data: \(data)
              format: v1
              recipients:
            \(fields.recipients.map { "  - {keyID: '\($0.keyID)', wrappedKey: '\($0.wrappedKey)'}\n" }.joined())\
              scope: strict
            ---
            kind: ConfigMap # other
            """
        try folder.write("a.yaml", text)
        return text
    }

    private func edit(_ keys: KeyRing, _ entries: [String: String]) async throws -> ValueDifference {
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: keys)
        return try await ValueEdit(opened, with: keys).replaceValues(with: secret(entries))
    }

    private func values(with keys: KeyRing) async throws -> [String: String] {
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: "db", namespace: nil, with: keys)
        return Dictionary(uniqueKeysWithValues: opened.entries.map { ($0.name, text($0.value) ?? "") })
    }

    @Test(arguments: [false, true])
    func changesOnlyDataMACAndWrappedKeys(isFlow: Bool) async throws {
        let before = try await write(["a": "1", "b": "2"], by: [key], isFlow: isFlow)
        let difference = try await edit(ring, ["a": "1", "b": "new"])
        #expect(difference == ValueDifference(from: secret(["b": "2"]), to: secret(["b": "new"])))
        #expect(try await values(with: ring) == ["a": "1", "b": "new"])
        let (old, new) = (before.split(separator: "\n"), try read().split(separator: "\n"))
        #expect(old.count == new.count)
        for (old, new) in zip(old, new) where old != new {
            #expect(["mac:", "a:", "b:", "wrappedKey:", "data: {"].contains { old.contains($0) }, "\(old)")
            #expect(old.split(separator: "#").dropFirst() == new.split(separator: "#").dropFirst())
        }
        // All values are encrypted under a new data key.
        let keys = [before, try read()].map { $0.components(separatedBy: "wrappedKey: ")[1] }
        #expect(keys[0] != keys[1])
    }

    @Test(arguments: [false, true])
    func addsAndRemovesEntries(isFlow: Bool) async throws {
        try await write(["a": "1", "b": "2", "c": "3"], by: [key], isFlow: isFlow)
        let difference = try await edit(ring, ["b": "2", "c": "x", "d.e": canary])
        #expect(difference.lines == ["+ d.e", "- a", "~ c"])
        #expect(try await values(with: ring) == ["b": "2", "c": "x", "d.e": canary])
        #expect(try read().contains("kind: ConfigMap # other"))
        _ = try await edit(ring, [:])
        #expect(try await values(with: ring) == [:])
        _ = try await edit(ring, ["z": "1"])
        #expect(try await values(with: ring) == ["z": "1"])
    }

    private func edited(_ entries: [String: String], _ change: (String) -> String) async throws -> [String:
        String]?
    {
        try await write(entries, by: [key])
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
        let manifest = EditableManifest(opened)
        let shown = manifest.text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        let found = try manifest.entries(in: secretBytes(change(shown)))
        return Dictionary(uniqueKeysWithValues: found.map { ($0.name, text($0.value) ?? "") })
    }

    @Test func showsLinesThatEndInBlanksAsABlock() async throws {
        let value = "  first \nsecond\t\n\n"
        let found = try await edited(["a": value, "b": "x"]) { shown in
            #expect(shown.contains("  a: |2+\n      first \n    second\t\n\n  b: x\n"), "\(shown)")
            return shown
        }
        #expect(found == ["a": value, "b": "x"])
    }

    /// The lines after a lost line get another meaning.
    @Test(arguments: [
        ("stringData:\n", "metadata of a Secret has no such field"),
        ("  name: db\n", "metadata.name is missing"),
    ])
    func refusesAManifestWithALostLine(line: String, part: String) async throws {
        let message = await errorMessage { () async throws(InputError) in
            do {
                return try await edited(["password": canary, "z": "1"]) { shown in
                    #expect(shown.contains(line))
                    return shown.replacing(line, with: "")
                }
            } catch let error as InputError { throw error } catch { throw InputError("\(error)") }
        }
        #expect(message?.contains(part) == true, "\(message ?? "accepted")")
        expectSafeMessage(message)
    }

    /// Entries may have the names of metadata fields.
    @Test(arguments: ["uid", "finalizers", "labels", "namespace", "generateName", "creationTimestamp"])
    func refusesEntriesThatMovedIntoTheMetadata(name: String) async throws {
        await #expect(throws: InputError.self) {
            _ = try await edited([name: "x"]) { $0.replacing("stringData:\n", with: "") }
        }
    }

    @Test(arguments: ["abcd", "YWJjZA=="])
    func refusesAnEntryThatMovedBetweenDataAndStringData(value: String) async throws {
        await #expect(throws: InputError.self) {
            _ = try await edited(["a": value]) { $0.replacing("stringData:", with: "data:") }
        }
        // A new value may be under `data`.
        let found = try await edited(["a": value]) {
            $0.replacing("stringData:\n  a: \(value)", with: "data:\n  a: eHl6").replacing(
                "\"\(value)\"", with: "eHl6")
        }
        #expect(found == ["a": "xyz"])
    }

    @Test func checksTheValuesOfATypeBeforeItWrites() async throws {
        let before = try await write([".dockerconfigjson": "{}"], by: [key]).replacing(
            "  scope: strict", with: "  scope: strict\n  template: {type: kubernetes.io/dockerconfigjson}")
        try folder.write("a.yaml", before)
        let message = await errorMessage { () async throws(InputError) in
            do {
                return try await edit(ring, [".dockerconfigjson": canary])
            } catch let error as InputError { throw error } catch { throw InputError("\(error)") }
        }
        #expect(
            message?.contains("needs a JSON object under .dockerconfigjson") == true,
            "\(message ?? "accepted")")
        expectSafeMessage(message)
        #expect(try read() == before)
    }

    @Test(arguments: ["\r", "\r\n", "\u{85}", "\u{2028}"])
    func keepsLineBreaks(lineBreak: String) async throws {
        let before = try await write(["a": "1", "b": "2"], by: [key])
        try folder.write("a.yaml", before.replacing("\n", with: lineBreak))
        _ = try await edit(ring, ["b": "3", "c": "4"])
        #expect(try await values(with: ring) == ["b": "3", "c": "4"])
        #expect(try read().utf8.contains(10) == (lineBreak == "\r\n"))
    }

    @Test func editsAFileWithSeveralByteOrderMarks() async throws {
        let text = try await write(["a": "1"], by: [key])
        try folder.write("a.yaml", "\u{FEFF}kind: ConfigMap\n---\n\u{FEFF}" + text)
        _ = try await edit(ring, ["a": "2", "b": "3"])
        #expect(try await values(with: ring) == ["a": "2", "b": "3"])
        // Compares bytes, because Foundation drops a byte order mark at the start of a text.
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(bytes.starts(with: "\u{FEFF}kind: ConfigMap\n---\n\u{FEFF}apiVersion".utf8))
    }

    /// Nothing is written, and the error has a location and a remedy.
    @Test func refusesAnEditThatAnAliasWouldCopy() async throws {
        let before = try await write(["a": "1"], by: [key])
            .replacing("spec:\n", with: "spec: &s\n")
            .replacing("\n---\nkind", with: "\ncopy: *s\n---\nkind")
        try folder.write("a.yaml", before)
        let message = await errorMessage { () throws(InputError) in
            let opened = try await OpenedDocument(
                try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
            return try await ValueEdit(opened, with: ring).replaceValues(with: secret(["a": canary]))
        }
        expectSafeMessage(message)
        let isPlaced =
            message?.contains(/a\.yaml:\d+:7: this part is an alias of an edited value/) == true
        #expect(isPlaced, "\(message ?? "taken")")
        #expect(message?.contains("; the file was not changed; ") == true)
        #expect(try read() == before)
    }

    @Test func doesNotWriteWithoutAChange() async throws {
        let before = try await write(["a": "1"], by: [key])
        #expect(try await edit(ring, ["a": "1"]).isEmpty)
        #expect(try read() == before)
    }

    /// The recipient would either lose the Secret, or receive it only because the WrappedSecret names it.
    @Test func refusesARecipientThatIsNotConfigured() async throws {
        let before = try await write(["a": "1"], by: [key, other])
        let message = await errorMessage { () throws(InputError) in
            let opened = try await OpenedDocument(
                try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
            return try await ValueEdit(opened, with: ring).replaceValues(with: secret(["a": canary]))
        }
        expectSafeMessage(message)
        #expect(message?.contains("--remove-recipient \(other.keyID) ") == true)
        #expect(try read() == before)
    }

    /// A user who can write the file chooses the key id, but not the command that another user copies.
    @Test func quotesAKeyIDInACommand() async throws {
        let text = try await write(["a": "1"], by: [key, other])
        try folder.write("a.yaml", text.replacing(other.keyID, with: "local:'';id;''"))
        let message = await errorMessage { () throws(InputError) in
            let opened = try await OpenedDocument(
                try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: ring)
            return try await ValueEdit(opened, with: ring).replaceValues(with: secret(["a": canary]))
        }
        #expect(
            message?.contains(#"--remove-recipient 'local:'\'';id;'\''' "#) == true,
            "\(message ?? "accepted")")
    }

    @Test func wrapsTheNewDataKeyForEveryBackend() async throws {
        try await write(["a": "1"], by: [key, other])
        // Of two keys of one backend, the first wraps for both: `local` has one master key at a time.
        _ = try await edit(KeyRing(primary: other, others: [key]), ["a": "2"])
        #expect(try await values(with: KeyRing(primary: other)) == ["a": "2"])
        #expect(try WrappedSecretFile(reading: path).documents[0].object.spec.envelope.recipients.count == 1)
    }

    @Test func readsTheManifestThatItWrote() async throws {
        try await write(["text": "a: #\nb", "num": "1"], by: [key])
        let file = try WrappedSecretFile(reading: path)
        let opened = try await OpenedDocument(file, named: nil, namespace: nil, with: ring)
        let manifest = EditableManifest(opened)
        let same = try manifest.entries(in: manifest.text)
        #expect(ValueDifference(from: opened.entries, to: same).isEmpty)
        let other = secretBytes("apiVersion: v1\nkind: Secret\nmetadata: {name: other}\nstringData: {}\n")
        expectSafeMessage(await errorMessage { () throws(InputError) in try manifest.entries(in: other) })
    }

    @Test func selectsADocumentByName() async throws {
        let one = try await write(["a": "1"], by: [key])
        try folder.write("a.yaml", one + "\n---\n" + one.replacing("name: db", with: "name: db2"))
        let file = try WrappedSecretFile(reading: path)
        #expect(try file.index(named: "db2", namespace: nil) == 1)
        for name in [nil, "x"] {
            let message = await errorMessage { () throws(InputError) in
                try file.index(named: name, namespace: nil)
            }
            #expect(message?.contains("/db, ") == true)
            #expect(message?.contains("/db2;") == true)
        }
    }

    /// An application's file may contain dev/db and prod/db.
    @Test func selectsADocumentByNamespace() async throws {
        let one = try await write(["a": "1"], by: [key])
        let foreign = one.replacing("namespace: payments", with: "namespace: dev")
        try folder.write("a.yaml", foreign + "\n---\n" + one)
        let file = try WrappedSecretFile(reading: path)
        #expect(try file.index(named: "db", namespace: "dev") == 0)
        #expect(try file.index(named: nil, namespace: "payments") == 1)
        for namespace in [nil, "prod"] {
            let message = await errorMessage { () throws(InputError) in
                try file.index(named: "db", namespace: namespace)
            }
            #expect(message?.contains("dev/db, payments/db;") == true)
        }
        let opened = try await OpenedDocument(file, named: "db", namespace: "payments", with: ring)
        _ = try await ValueEdit(opened, with: ring).replaceValues(with: secret(["a": "2"]))
        #expect(try read().hasPrefix(foreign))
        // The unchanged WrappedSecret is not compared with the other one.
        let lines = await FileComparison(file, try WrappedSecretFile(reading: path), namespace: nil)
            .lines(with: ring)
        #expect(lines == ["  WrappedSecret payments/db", "    ~ a"])
    }

    /// kubectl get -o json prints such lists. Items before a WrappedSecret count, too.
    @Test(arguments: [0, 1, 3])
    func editsAnItemOfAList(place: Int) async throws {
        let one = try await write(["a": "1"], by: [key]).split(separator: "\n---").first ?? ""
        let item = one.split(separator: "\n").enumerated().map { ($0 == 0 ? "- " : "  ") + $1 }
        var items = [String](repeating: "- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}", count: 3)
        items.insert(item.joined(separator: "\n"), at: place)
        let text =
            "apiVersion: v1\nkind: ConfigMap\n---\nkind: List\nitems:\n" + items.joined(separator: "\n")
        try folder.write("a.yaml", text)
        _ = try await edit(ring, ["a": "2"])
        #expect(try await values(with: ring) == ["a": "2"])
    }

    @Test func refusesAnUnknownVersion() async throws {
        let text = try await write(["a": "1"], by: [key]).replacing("io/v1alpha1", with: "io/v1")
        try folder.write("a.yaml", text)
        let path = path
        let message = await errorMessage { () throws(InputError) in try WrappedSecretFile(reading: path) }
        #expect(message?.contains(":1:1: found kind \"WrappedSecret\" of \"secrets-bridge.io/v1\"") == true)
    }

    @Test func comparesEntriesByNameWithoutValues() async throws {
        try await write(["a": "1", "b": canary], by: [key])
        let old = try WrappedSecretFile(reading: path)
        _ = try await edit(ring, ["a": "2", "b": canary])
        let comparison = FileComparison(old, try WrappedSecretFile(reading: path), namespace: nil)
        #expect(await comparison.lines(with: ring) == ["  WrappedSecret payments/db", "    ~ a"])
        let without = await comparison.lines(with: nil)
        #expect(without.count == 2)
        #expect(without[1].contains("?"))
    }

    @Test func generatesLettersAndDigits() throws {
        let value = try RandomValue.make(length: 1000)
        #expect(value.count == 1000)
        #expect(text(value)?.utf8.allSatisfy { $0 >= 48 && $0 <= 122 } == true)
        #expect(Set(text(value) ?? "").count == 62)
    }
}
