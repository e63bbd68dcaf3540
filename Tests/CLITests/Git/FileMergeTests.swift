import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import System
import TestSupport
import Testing

@testable import CLI

/// Merges versions of a file, with git's merge of lines.
struct FileMergeTests {
    private let key: FakeKeyManager
    private let other: LocalKeyManager
    private let folder: TemporaryFolder

    init() throws {
        key = try FakeKeyManager()
        other = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 2, count: 32)))
        folder = try TemporaryFolder()
    }

    private var ring: KeyRing { KeyRing(primary: key) }
    private var bothKeys: KeyRing { KeyRing(primary: key, providerKeys: [other]) }

    private func secret(_ entries: [String: String]) -> [SecretEntry] {
        entries.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8)) }
    }

    /// Returns a manifest with a comment in the data, followed by a ConfigMap.
    private func manifest(_ entries: [String: String], by keys: [any KeyManager]? = nil) async throws
        -> String
    {
        let keys = keys ?? [key]
        let fields = try await Envelope.seal(
            secret(entries), binding: try Binding(scope: .strict, namespace: "payments", secretName: "db"),
            with: keys[0], recipients: Array(keys.dropFirst())
        ).fields
        let data = fields.data.sorted { $0.key < $1.key }.map { "    \($0.key): \($0.value)\n" }.joined()
        let recipients = fields.recipients.map {
            "    - keyID: \($0.keyID)\n      wrappedKey: \($0.wrappedKey)\n"
        }.joined()
        return """
            # About this file
            apiVersion: secrets-bridge.io/v1alpha1
            kind: WrappedSecret
            metadata:
              name: db
              namespace: payments
            spec:
              format: v1
              scope: strict
              recipients:
            \(recipients)\
              mac: \(fields.mac)
            \(data.isEmpty ? "" : "  data:\n\(data)")\
              template:
                metadata:
                  labels:
                    app: db
            ---
            kind: ConfigMap
            metadata: {name: other}

            """
    }

    /// Changes values as `set` and `unset` do.
    private func edit(
        _ text: String, _ keys: KeyRing? = nil, _ change: (inout [String: String]) -> Void
    ) async throws -> String {
        try folder.write("edit.yaml", text)
        let keys = keys ?? ring
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: folder.path("edit.yaml")), named: "db", namespace: nil, with: keys)
        var entries = Dictionary(
            uniqueKeysWithValues: opened.entries.map { ($0.name, CLITests.text($0.value) ?? "") })
        change(&entries)
        _ = try await ValueEdit(opened, with: keys).replaceValues(with: secret(entries))
        return try folder.read("edit.yaml")
    }

    private func rewrap(_ text: String, _ strategy: RewrapStrategy, _ keys: KeyRing) async throws -> String {
        let path = try folder.write("rewrap.yaml", text)
        let results = Recorder<RewrapResult>()
        await FileRewrapper(keys: keys, strategy: strategy, namespace: nil, isDryRun: false).rewrap([path]) {
            for result in $0 { results.append(result) }
        }
        return try folder.read("rewrap.yaml")
    }

    private func merge(
        _ base: String, _ ours: String, _ theirs: String, keys: KeyRing? = nil
    ) async throws -> FileMerge.Output {
        let keys = keys ?? ring
        var merge = FileMerge(
            path: "secrets/db.yaml", namespace: nil, markerSize: 7,
            keys: { () throws(InputError) in keys },
            mergeLines: { base, ours, theirs throws(InputError) in
                try await Self.mergeLines(base, ours, theirs)
            })
        func bytes(_ text: String) -> SharedSecret { SharedSecret(copying: text.utf8) }
        return try await merge.merge(base: bytes(base), ours: bytes(ours), theirs: bytes(theirs))
    }

    private static func mergeLines(
        _ base: SharedSecret, _ ours: SharedSecret, _ theirs: SharedSecret
    ) async throws(InputError) -> FileMerge.MergedLines {
        do {
            let result = try await ChildProcess(
                executable: "/usr/bin/env",
                arguments: ["git", "merge-file", "-p", "-q", "-L", "ours", "-L", "base", "-L", "theirs"]
                    + [1, 0, 2].map(ChildProcess.memoryFilePath),
                environment: ["PATH": "/usr/bin:/bin"], isInteractive: false, outputLimit: 1 << 20,
                deadline: .seconds(60), memoryFiles: [base, ours, theirs]
            ).run()
            return FileMerge.MergedLines(text: result.output, conflictCount: Int(result.exitCode))
        } catch {
            throw InputError("\(error)")
        }
    }

    private func values(_ output: FileMerge.Output, _ keys: KeyRing? = nil) async throws -> [String: String] {
        let file = try WrappedSecretFile(path: "x", contents: output.text, stamp: nil)
        let opened = try await OpenedDocument(file, named: "db", namespace: nil, with: keys ?? ring)
        return Dictionary(
            uniqueKeysWithValues: opened.entries.map { ($0.name, CLITests.text($0.value) ?? "") })
    }

    private func recipients(_ output: FileMerge.Output) throws -> [String] {
        try WrappedSecretFile(path: "x", contents: output.text, stamp: nil).documents[0].object.spec.envelope
            .recipients.map(\.keyID)
    }

    @Test func mergesEditsOfDifferentEntries() async throws {
        let base = try await manifest(["user": "app", "password": "old", "gone": "x"])
        let ours = try await edit(base) {
            $0["password"] = "new"
            $0["token"] = "t"
        }
        let theirs = try await edit(base) {
            $0["gone"] = nil
            $0["url"] = "u"
        }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        #expect(try await values(output) == ["user": "app", "password": "new", "token": "t", "url": "u"])
        // The values of both sides are under a data key that neither side has.
        let merged = text(output.text) ?? ""
        let wrapped = { (text: String) in
            text.components(separatedBy: "wrappedKey: ")[1].prefix { $0 != "\n" }
        }
        #expect(wrapped(merged) != wrapped(ours))
        #expect(wrapped(merged) != wrapped(theirs))
        #expect(merged.hasPrefix("# About this file\n"))
    }

    @Test(arguments: 0..<25)
    func mergesAnyTwoEditsOfDisjointEntries(seed: Int) async throws {
        var generator = SeededGenerator(seed)
        let names = (0..<6).map { "e\($0)" }
        var old: [String: String] = [:]
        for name in names where Bool.random(using: &generator) { old[name] = "old" }
        let base = try await manifest(old)
        func randomEdit(_ names: [String], _ value: String) -> (inout [String: String]) -> Void {
            let actions = names.map { ($0, Int.random(in: 0..<3, using: &generator)) }
            return { entries in
                for (name, action) in actions where action < 2 { entries[name] = action == 0 ? value : nil }
            }
        }
        let left = randomEdit(Array(names.prefix(3)) + ["l"], "ours")
        let right = randomEdit(Array(names.suffix(3)) + ["r"], "theirs")
        let output = try await merge(base, try await edit(base, nil, left), try await edit(base, nil, right))
        var expected = old
        left(&expected)
        right(&expected)
        #expect(output.conflicts == [])
        #expect(try await values(output) == expected)
    }

    @Test func takesTheOnlyEditedSideWithoutAKey() async throws {
        let base = try await manifest(["a": "1", "b": "2"])
        let edited = try await edit(base) { $0["a"] = "new" }
        let labelled = base.replacing("app: db", with: "app: changed")
        let count = key.unwrapCount
        for (ours, theirs) in [(edited, labelled), (labelled, edited)] {
            let output = try await merge(base, ours, theirs)
            #expect(output.conflicts == [])
            #expect(text(output.text) == edited.replacing("app: db", with: "app: changed"))
        }
        #expect(key.unwrapCount == count)
    }

    @Test func namesAnEntryThatBothSidesChangedWithoutItsValue() async throws {
        let base = try await manifest(["password": "\(canary)-old", "user": "app"])
        let ours = try await edit(base) { $0["password"] = "\(canary)-ours" }
        let theirs = try await edit(base) { $0["password"] = "\(canary)-theirs" }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == ["entry password was changed on both sides"])
        let merged = text(output.text) ?? ""
        #expect(!merged.contains(canary))
        let message = await errorMessage { () async throws(InputError) in
            try WrappedSecretFile(path: "x", contents: output.text, stamp: nil)
        }
        #expect(message?.contains("conflict marker") == true)
        // Either side of the conflict is a valid file.
        let parts = merged.split(separator: /<<<<<<< ours\n|=======\n|>>>>>>> theirs\n/)
        try #require(parts.count == 4)
        #expect(parts[0] + parts[1] + parts[3] == ours)
        #expect(parts[0] + parts[2] + parts[3] == theirs)
    }

    @Test func mergesEqualEditsWithoutAConflict() async throws {
        let base = try await manifest(["a": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await edit(base) { $0["a"] = "2" }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        #expect(text(output.text) == ours)
    }

    @Test func mergesValuesOfOneSideWithRecipientsOfTheOther() async throws {
        let base = try await manifest(["a": "1"])
        let edited = try await edit(base) { $0["a"] = "2" }
        let rewrapped = try await rewrap(base, .change(adding: [1], removing: []), bothKeys)
        try #require(rewrapped != base)
        for (ours, theirs) in [(edited, rewrapped), (rewrapped, edited)] {
            let output = try await merge(base, ours, theirs, keys: bothKeys)
            #expect(output.conflicts == [])
            #expect(try recipients(output) == [key.keyID, other.keyID])
            #expect(try await values(output, KeyRing(primary: other)) == ["a": "2"])
            #expect(try await values(output) == ["a": "2"])
        }
    }

    @Test func keepsARemovedRecipientRemoved() async throws {
        let base = try await manifest(["a": "1"], by: [key, other])
        let edited = try await edit(base, bothKeys) { $0["a"] = "2" }
        let selector = try KeySelector(other.keyID)
        let rewrapped = try await rewrap(base, .change(adding: [], removing: [selector]), bothKeys)
        let output = try await merge(base, edited, rewrapped, keys: bothKeys)
        #expect(output.conflicts == [])
        #expect(try recipients(output) == [key.keyID])
        #expect(try await values(output) == ["a": "2"])
    }

    @Test func reportsAConflictIfNoKeyDecryptsBothSides() async throws {
        let base = try await manifest(["a": "1", "b": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await edit(base) { $0["b"] = "2" }
        let output = try await merge(base, ours, theirs, keys: KeyRing(primary: other))
        #expect(output.conflicts.count == 1)
        #expect(output.conflicts[0].contains("have to be decrypted"), "\(output.conflicts)")
        #expect(text(output.text)?.contains("<<<<<<< ours\n") == true)
    }

    @Test func reportsARecipientWhoseKeyIsNotConfigured() async throws {
        let base = try await manifest(["a": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await rewrap(base, .change(adding: [1], removing: []), bothKeys)
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts.count == 1)
        #expect(output.conflicts[0].contains("not a configured key"), "\(output.conflicts)")
        #expect(text(output.text)?.contains("<<<<<<< ours\n") == true)
    }

    @Test func mergesAFileThatBothSidesAdded() async throws {
        let ours = try await manifest(["a": "1", "b": "2"])
        let theirs = try await manifest(["b": "2", "c": "3"])
        let output = try await merge("", ours, theirs)
        #expect(output.conflicts == [])
        #expect(try await values(output) == ["a": "1", "b": "2", "c": "3"])
    }

    @Test func mergesTheRestOfTheFileByLines() async throws {
        let base = try await manifest(["a": "1", "b": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }.replacing("name: other", with: "name: ours")
        let theirs = try await edit(base) { $0["b"] = "2" }.replacing("# About", with: "# Not about")
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        let merged = text(output.text) ?? ""
        #expect(merged.hasPrefix("# Not about this file\n"))
        #expect(merged.contains("name: ours"))
        #expect(try await values(output) == ["a": "2", "b": "2"])
    }

    @Test func reportsAConflictOutsideOfTheValues() async throws {
        let base = try await manifest(["a": "1", "b": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }.replacing("name: other", with: "name: ours")
        let theirs = try await edit(base) { $0["b"] = "2" }.replacing("name: other", with: "name: theirs")
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == ["the text outside of the encrypted values was changed on both sides"])
        // The values are merged already: after the conflict is resolved, the file is complete.
        let resolved = (text(output.text) ?? "").replacing(
            /<<<<<<< ours\n(.*\n)=======\n.*\n>>>>>>> theirs\n/, with: { $0.1 })
        let file = FileMerge.Output(
            text: SharedSecret(copying: resolved.utf8), conflicts: [], notes: [])
        #expect(try await values(file) == ["a": "2", "b": "2"])
    }

    /// Items of a list are edited alone, like documents: the time would be quadratic in their number.
    @Test(arguments: ["- ", "  - ", "-   "]) func readsAnItemOfAListAlone(dash: String) async throws {
        let manifest = try await manifest(["a": "1"])
        let start = try #require(manifest.firstRange(of: "apiVersion")).lowerBound
        let end = try #require(manifest.firstRange(of: "---")).lowerBound
        let indent = String(repeating: " ", count: dash.count)
        let item = manifest[start..<end].split(separator: "\n").enumerated()
            .map { ($0 == 0 ? dash : indent) + $1 + "\n" }.joined()
        let list = "apiVersion: v1\nkind: List\nitems:\n\(item)# between\n\(item)"
        let file = try WrappedSecretFile(
            path: "l.yaml", contents: SharedSecret(copying: list.utf8), stamp: nil)
        for index in file.documents.indices {
            let (part, position) = try #require(file.part(with: index))
            #expect(position == 0)
            #expect(part.documents.count == 1)
            #expect(
                text(part.contents).map { !$0.contains("List") && $0.contains("\(indent)kind: Wrapped") }
                    == true)
            let region = try #require(EnvelopeRegion(of: part.documents[0], in: part))
            let whole = try #require(EnvelopeRegion(of: file.documents[index], in: file))
            #expect(region.fields.mapValues(\.text) == whole.fields.mapValues(\.text))
        }
    }

    /// An anchor outside of the item makes each edit read the whole file.
    @Test func readsALargeFileOnlyInParts() async throws {
        let manifest = try await manifest(["a": "1"])
        let start = try #require(manifest.firstRange(of: "apiVersion")).lowerBound
        let end = try #require(manifest.firstRange(of: "---")).lowerBound
        let item = manifest[start..<end].replacing("app: db", with: "app: *app").split(separator: "\n")
            .enumerated()
            .map { ($0 == 0 ? "- " : "  ") + $1 + "\n" }.joined()
        func parts(_ count: Int) throws -> (file: WrappedSecretFile, index: Int)? {
            let list = "x: &app db\nkind: List\nitems:\n" + String(repeating: item, count: count)
            let file = try WrappedSecretFile(
                path: "l.yaml", contents: SharedSecret(copying: list.utf8), stamp: nil)
            #expect(file.documents.count == count)
            return file.part(with: 1)
        }
        #expect(try parts(2)?.file.documents.count == 2)
        #expect(try parts(40) == nil)
    }

    @Test func neverMixesTheEnvelopesOfBothSides() async throws {
        // Without lines of their own, the envelopes cannot be merged.
        let base = try await manifest(["a": "1"]).replacing(
            /[ ]{2}mac: (.*)\n  data:\n    a: (.*)\n/,
            with: { "  ? mac\n  : \($0.1)\n  data: {a: \($0.2)}\n" })
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await edit(base) { $0["b"] = "2" }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts.count == 1)
        #expect(text(output.text) == "<<<<<<< ours\n\(ours)=======\n\(theirs)>>>>>>> theirs\n")
    }

    @Test func reportsATemplateWhoseEntryTheOtherSideRemoved() async throws {
        let base = try await manifest(["a": "1", "b": "1"])
        let ours = base.replacing("  template:\n", with: "  template:\n    data: {f: '{{ .b }}'}\n")
        let theirs = try await edit(base) { $0["b"] = nil }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts.count == 1)
        #expect(output.conflicts.first?.contains("there is no entry b") == true)
    }

    /// The entry that the type needs is one that a template renders.
    @Test func mergesASecretWhoseTypeNeedsATemplate() async throws {
        let base = try await manifest(["auth": "1", "b": "1"]).replacing(
            "  template:\n",
            with: "  template:\n    type: kubernetes.io/dockerconfigjson\n    data:\n"
                + "      .dockerconfigjson: '{\"auths\":{\"a\":{\"auth\":{{ .auth | quote }}}}}'\n")
        let ours = try await edit(base) { $0["auth"] = "2" }
        let theirs = try await edit(base) { $0["b"] = "2" }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        #expect(try await values(output) == ["auth": "2", "b": "2"])
    }

    /// A removed recipient must not come back because the ancestor cannot be read.
    @Test func mergesByLinesWithoutAReadableAncestor() async throws {
        let base = try await manifest(["a": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await edit(base) { $0["b"] = "2" }
        let output = try await merge("\(base)  : [\n", ours, theirs)
        #expect(output.conflicts.count == 1)
        #expect(output.conflicts.first?.contains("ancestor cannot be read") == true)
    }

    @Test func mergesFieldsWithOthersBetweenThem() async throws {
        let base = try await manifest(["a": "1"]).replacing("  mac:", with: "  suspend: false\n  mac:")
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await edit(base) { $0["b"] = "2" }.replacing("suspend: false", with: "suspend: true")
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        #expect(text(output.text)?.contains("  suspend: true\n") == true)
        #expect(try await values(output) == ["a": "2", "b": "2"])
    }

    @Test func mergesEntriesOfAWrappedSecretThatHadNone() async throws {
        let base = try await manifest([:])
        let ours = try await edit(base) { $0["a"] = "1" }
        let theirs = try await edit(base) { $0["b"] = "2" }
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        #expect(try await values(output) == ["a": "1", "b": "2"])
    }

    @Test func mergesAnEntryWithTheRemovalOfAllOthers() async throws {
        let base = try await manifest(["a": "1", "b": "1"])
        let ours = try await edit(base) { $0 = [:] }
        let theirs = try await edit(base) { $0["c"] = "2" }
        for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
            let output = try await merge(base, ours, theirs)
            #expect(output.conflicts == [])
            #expect(try await values(output) == ["c": "2"])
        }
    }

    @Test func keepsCommentsOfBothSides() async throws {
        let base = try await manifest(["a": "1", "b": "1"])
        let ours = try await edit(base) { $0["a"] = "2" }
        let theirs = try await edit(base) { $0["b"] = "2" }.replacing("    b: ", with: "    # why\n    b: ")
        let output = try await merge(base, ours, theirs)
        #expect(output.conflicts == [])
        #expect(text(output.text)?.contains("    # why\n    b: ") == true)
        #expect(try await values(output) == ["a": "2", "b": "2"])
    }

    @Test func mergesAFileThatCannotBeParsedAsGitDoes() async throws {
        let base = "kind: X\nname: {{ a }}\nb: 1\nc: 1\nd: 1\n"
        let output = try await merge(
            base, base.replacing("kind: X", with: "kind: Y"), base.replacing("d: 1", with: "d: 2"))
        #expect(output.conflicts == [])
        #expect(text(output.text) == "kind: Y\nname: {{ a }}\nb: 1\nc: 1\nd: 2\n")
    }
}
