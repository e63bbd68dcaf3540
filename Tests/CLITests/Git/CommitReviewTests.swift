import Cryptography
import Envelope
import KMS
import TestSupport
import Testing

@testable import CLI

/// The review of the WrappedSecrets of two commits.
struct CommitReviewTests {
    private let key: FakeKeyManager
    private var ring: KeyRing { key.keyRing }

    init() throws { key = try FakeKeyManager() }

    private func manifest(
        _ entries: [String: String], name: String = "db", namespace: String = "payments", type: String? = nil
    ) async throws -> String {
        let data = entries.map { "  \($0.key): '\($0.value)'\n" }.joined()
        let secret =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: \(name)}\n" + (type.map { "type: \($0)\n" } ?? "")
            + "stringData:\n\(data)"
        let input = try SecretManifestReader.secrets(in: secretBytes(secret), source: "x")
        let wrapper = SecretWrapper(keys: ring, scope: .strict, namespace: namespace)
        return yaml(try await wrapper.wrap(input[0]).manifest)
    }

    private func review(
        _ files: [(path: String, old: String?, new: String?)], keys: KeyRing? = nil
    ) async -> CommitReview {
        await CommitReview(
            files.map { file in
                CommittedFile(
                    path: file.path, old: file.old.map { SharedSecret(copying: $0.utf8) },
                    new: file.new.map { SharedSecret(copying: $0.utf8) })
            }, namespace: nil, keys: keys)
    }

    @Test func listsChangesByFileAndEntryWithoutAKey() async throws {
        let old = try await manifest(["a": canary, "b": "1"])
        let new = try await manifest(["a": "\(canary)2", "c": "1"])
        let result = await review([("x/db.yaml", old, new)])
        #expect(
            result.lines == [
                "changed payments/db in x/db.yaml", "    entry added: c", "    entry removed: b",
                "    encrypted again, and not opened: each may have a new value: a",
                "WrappedSecrets: 1 changed",
            ])
        #expect(key.unwrapCount == 0)
        #expect(!result.markdown.contains(canary))
    }

    @Test func namesTheChangedValuesWithAKey() async throws {
        let old = try await manifest(["a": "1", "b": "1"])
        let new = try await manifest(["a": "1", "b": "2"])
        let lines = await review([("db.yaml", old, new)], keys: ring).lines
        #expect(lines[1] == "    value changed: b")
        let again = try await manifest(["a": "1", "b": "1"])
        let same = await review([("db.yaml", old, again)], keys: ring).lines
        #expect(same[1] == "    encrypted again, the values are the same")
    }

    @Test func listsAddedRemovedAndMovedWrappedSecrets() async throws {
        let (one, two) = (try await manifest(["a": "1"]), try await manifest(["a": "1"], name: "two"))
        let three = try await manifest(["a": "1"], name: "three")
        let result = await review([
            ("a.yaml", one, nil), ("b.yaml", nil, one), ("c.yaml", nil, two), ("d.yaml", three, nil),
        ])
        #expect(result.changes.map(\.kind) == [.moved, .added, .removed])
        #expect(
            result.lines.prefix(2) == ["moved payments/db in b.yaml", "    moved from a.yaml"])
    }

    @Test func listsRecipientsAndFields() async throws {
        let old = try await manifest(["a": "1"])
        let new = old.replacing(key.keyID, with: "aws-kms:arn:other").replacing(
            "spec:", with: "spec:\n  template: {type: x/y, metadata: {labels: {l: v}}}\n  suspend: true")
        let lines = await review([("db.yaml", old, new)]).lines
        #expect(
            Array(lines[1..<6]) == [
                "    recipient added: aws-kms:arn:other", "    recipient removed: \(key.keyID)",
                "    type: Opaque to x/y", "    suspend: not set to true", "    label of the Secret l added",
            ])
    }

    /// A template can name another server, which then receives the value.
    @Test func listsTemplatesByName() async throws {
        let plain = try await manifest(["pw": canary])
        func templated(_ host: String) -> String {
            plain.replacing(
                "spec:", with: "spec:\n  template: {data: {app.conf: 'url = https://\(host)/{{ .pw }}'}}")
        }
        let changed = await review([("db.yaml", templated("a"), templated("b"))])
        #expect(changed.lines[1] == "    template app.conf changed")
        #expect(!changed.markdown.contains("https://b"))
        let added = await review([("db.yaml", nil, templated("a"))])
        #expect(added.lines.contains("    template app.conf added"))
    }

    @Test func skipsFilesWithOtherTextAndNewComments() async throws {
        let old = try await manifest(["a": "1"])
        let result = await review([
            ("db.yaml", old, "# new\n" + old), ("x.yaml", "kind: X\n", "kind: Y # WrappedSecret\n"),
        ])
        #expect(result.lines == ["no WrappedSecrets changed"])
        #expect(result.problems == [])
    }

    @Test func reportsAFileThatCannotBeParsed() async throws {
        let result = await review([("db.yaml", nil, "<<<<<<< a\nkind: WrappedSecret\n")])
        #expect(result.problems.count == 1)
        #expect(result.markdown.contains("Not compared:"))
    }

    @Test func containsNoMarkupOfNamesAndPaths() async throws {
        let hostile = "a`b</code>|@team[x](http://evil)\n# h\u{202E}<img src=x>.yaml"
        let result = await review([(hostile, nil, try await manifest(["a": "1"]))])
        let lines = result.markdown.split(separator: "\n")
        let line = try #require(lines.first { $0.contains("team") })
        // Everything from outside is in one code span, which no backtick ends.
        #expect(line.hasPrefix("- added `payments/db` in `a\\u{60}b</code>|@team"))
        #expect(line.hasSuffix(".yaml`"))
        #expect(line.count { $0 == "`" } == 4)
        #expect(!result.markdown.unicodeScalars.contains("\u{202E}"))
    }

    @Test func limitsTheMarkdownToACommentOfGitHub() async throws {
        let text = try await manifest(["a": "1"])
        let path = String(repeating: "p", count: 290)
        let files = (0..<450).map { ("\(path)\($0).yaml", nil as String?, text as String?) }
        let markdown = await review(files).markdown
        #expect(markdown.utf8.count < 65_000)
        #expect(markdown.contains(" more WrappedSecrets\n"))
    }

    @Test func findsAKindWithEscapesAndReportsUTF16() async throws {
        let text = try await manifest(["a": "1"])
        let escaped = text.replacing("kind: WrappedSecret", with: #"kind: "\u0057rappedSecret""#)
        #expect(CommittedFile.mayHaveWrappedSecrets(SharedSecret(copying: escaped.utf8)))
        #expect(await review([("db.yaml", nil, escaped)]).changes.count == 1)
        let utf16 = SharedSecret(
            copying: [0xFF, 0xFE] + text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] })
        #expect(CommittedFile.mayHaveWrappedSecrets(utf16))
        let file = CommittedFile(path: "db.yaml", old: nil, new: utf16)
        let problems = await CommitReview([file], namespace: nil, keys: nil).problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("is UTF-16") == true)
    }

    @Test(arguments: [#""\u0057rappedSecret""#, "!!binary V3JhcHBlZFNlY3JldA=="])
    func reportsAFileThatCannotBeReadAndHidesItsKind(kind: String) async throws {
        let text = try await manifest(["a": "1"])
        let hidden = text.replacing("kind: WrappedSecret", with: "kind: \(kind)")
        #expect(await review([("db.yaml", nil, hidden)]).changes.count == 1)
        let invalid = hidden + "spec: {}\n"
        let file = CommittedFile(path: "db.yaml", old: nil, new: SharedSecret(copying: invalid.utf8))
        let problems = await CommitReview([file], namespace: nil, keys: nil).problems
        #expect(problems.count == 1)
    }

    @Test func showsTheAlgorithmOfARecipientAndTheFieldsOfANewWrappedSecret() async throws {
        let text = try await manifest(["a": "1"])
        let changed = text.replacing("    wrappedKey:", with: "    algorithm: RSA-OAEP-256\n    wrappedKey:")
        try #require(changed != text)
        #expect(await review([("db.yaml", text, changed)]).changes.first?.rewrappedRecipients.count == 1)
        let suspended = text.replacing("  scope: strict", with: "  suspend: true\n  scope: cluster")
        let lines = await review([("db.yaml", nil, suspended)]).lines
        #expect(lines.contains { $0.contains("suspend") })
        #expect(lines.contains { $0.contains("scope") })
    }

    @Test func aLargeChangeHidesNoOther() async throws {
        let small = try await manifest(["a": "1"])
        let labels = (0..<400).map { "        \(String(repeating: "a", count: 200))\($0): x\n" }.joined()
        let large = small + "  template:\n    metadata:\n      labels:\n" + labels
        let files = [
            ("a.yaml", small as String?, large as String?), ("b.yaml", nil, try await manifest(["x": "1"])),
        ]
        let markdown = await review(files).markdown
        #expect(markdown.contains("`a.yaml`"))
        #expect(markdown.contains("`b.yaml`"))
        #expect(markdown.contains("400 lines, which are too long for this list"))
    }

    @Test func listsRecipientFilesWithAnotherKeyAndRulesFiles() async throws {
        let (first, second) = (try recipientKey(), try recipientKey(version: "4", "rsa-4096"))
        let (old, new) = (RecipientFile.text(of: first), RecipientFile.text(of: second))
        let comment = "# the same key\n" + old
        let files = [
            ("keys/a.yaml", old as String?, new as String?), ("keys/b.yaml", old, comment),
            ("keys/c.yaml", nil, old), ("x/.secrets-bridge.yaml", nil, "version: 1\nrules: []\n"),
        ]
        let review = await review(files)
        #expect(review.lines.first == "changed recipient file keys/a.yaml")
        #expect(
            review.lines[1]
                == "    key: \(first.keyID) v3 \(first.fingerprint) -> \(second.keyID) v4 \(second.fingerprint)"
        )
        #expect(!review.lines.contains { $0.contains("keys/b.yaml") })
        #expect(review.lines.contains("added recipient file keys/c.yaml"))
        #expect(review.lines.contains("added rules file x/.secrets-bridge.yaml"))
        #expect(review.lines.last == "no WrappedSecrets changed; rules and recipient files: 3 changed")
        #expect(review.markdown.contains(second.fingerprint))
        #expect(!review.isEmpty)
    }

    @Test func newRecipientFilesDoNotHideAChangedOne() async throws {
        let (first, second) = (try recipientKey(), try recipientKey(version: "4", "rsa-4096"))
        let text = RecipientFile.text(of: first)
        let harmless = (0..<21).map { ("a/\($0).yaml", nil as String?, text as String?) }
        let review = await review(harmless + [("keys/a.yaml", text, RecipientFile.text(of: second))])
        #expect(review.markdown.contains(second.fingerprint))
        #expect(review.markdown.contains("and 2 more rules and recipient files"))
    }

    @Test func parsesTheListOfGitWithOddPaths() throws {
        let (one, two) = (String(repeating: "a", count: 40), String(repeating: "0", count: 40))
        let list =
            ":100644 100755 \(one) \(one) M\0a \"b\"\n\u{E9}.yaml\0:120000 100644 \(one) \(one) T\0l.yml\0"
            + ":160000 160000 \(one) \(one) M\0sub\0:000000 100644 \(two) \(one) A\0n.json\0"
        let changes = try GitFileChange.parse(secretBytes(list))
        #expect(changes.map(\.path) == ["a \"b\"\n\u{E9}.yaml", "l.yml", "sub", "n.json"])
        #expect(changes.map { $0.old != nil } == [true, false, false, false])
        #expect(changes.map { $0.new != nil } == [true, true, false, true])
        #expect(changes.allSatisfy { !$0.isNewLink })
        let link = ":100644 120000 \(one) \(one) T\0db.yaml\0"
        #expect(try GitFileChange.parse(secretBytes(link)).map(\.isNewLink) == [true])
        #expect(throws: InputError.self) { try GitFileChange.parse(secretBytes("x\0y\0")) }
    }

    @Test func parsesObjectsWithAnyBytes() throws {
        let id = String(repeating: "a", count: 40)
        let contents = try GitObjects.contents(
            secretBytes("\(id) blob 3\na\nb\nx missing\n\(id)b blob 0\n\n"))
        #expect(text(contents[id]) == "a\nb")
        #expect(text(contents["\(id)b"]) == "")
        #expect(throws: InputError.self) { try GitObjects.contents(secretBytes("\(id) blob 30\na\n")) }
    }
}
