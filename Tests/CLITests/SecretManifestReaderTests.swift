import Cryptography
import Testing

@testable import CLI

@Suite struct SecretManifestReaderTests {
    private func read(_ text: String) throws(InputError) -> [SecretInput] {
        try SecretManifestReader.secrets(in: secretBytes(text), source: "s.yaml")
    }

    private func secret(_ rest: String) -> String {
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n" + rest
    }

    @Test func readsAWholeSecret() throws {
        let secrets = try read(
            """
            apiVersion: v1
            kind: Secret
            metadata:
              name: db
              namespace: payments
              labels: {team: a}
              annotations: {note: "1"}
              creationTimestamp: null
            type: example.com/x
            immutable: true
            data:
              both: \(Base64.encode("from data".utf8))
              folded: |
                \(Base64.encode("two".utf8).prefix(2))
                \(Base64.encode("two".utf8).suffix(2))
              empty: ""
            stringData:
              both: from stringData
              text: |
                line one
                line two

            """)
        let secret = try #require(secrets.first)
        #expect(secret.name == "db")
        #expect(secret.namespace == "payments")
        #expect(secret.type == "example.com/x")
        #expect(secret.isImmutable)
        #expect(secret.labels == ["team": "a"])
        #expect(secret.annotations == ["note": "1"])
        #expect(
            entries(secret) == [
                "both": "from stringData", "folded": "two", "empty": "", "text": "line one\nline two\n",
            ])
        #expect(secrets.count == 1)
    }

    @Test func readsSeveralDocumentsListsAndJSON() throws {
        let yaml = secret("") + "---\n# nothing\n---\n" + secret("stringData: {a: b}")
        #expect(try read(yaml).count == 2)
        let json = #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"data":{"a":"Yg=="}}"#
        #expect(try entries(read(json)[0]) == ["a": "b"])
        let list = #"{"apiVersion":"v1","kind":"List","items":[\#(json),\#(json)]}"#
        #expect(try read(list).map(\.name) == ["db", "db"])
        #expect(try read(list)[1].source.hasPrefix("s.yaml:1:"))
    }

    /// kube-apiserver 1.36 accepts this.
    @Test func readsBase64AsGoDoes() throws {
        let secret = try read(secret("data: {a: YR==, b: \"YW\\r\\nJ=\\n\"}\n"))[0]
        #expect(entries(secret) == ["a": "a", "b": "ab"])
    }

    @Test(arguments: ["''", "null", "~"]) func readsAnEmptyNamespaceAsNone(namespace: String) throws {
        let text = secret("").replacing("{name: db}", with: "{name: db, namespace: \(namespace)}")
        #expect(try read(text)[0].namespace == nil)
    }

    @Test func acceptsServerManagedMetadata() throws {
        let text = secret("").replacing(
            "{name: db}",
            with:
                "{name: db, uid: u, resourceVersion: '1', generation: 1, creationTimestamp: null, selfLink: x, "
                + "managedFields: [], deletionTimestamp: x, deletionGracePeriodSeconds: 1, clusterName: c}")
        #expect(try read(text)[0].name == "db")
    }

    @Test(arguments: ["!!str a", "!!timestamp 2020-01-01", "'!a'", "\"&a\"", "!!binary YR=="])
    func acceptsTagsThatYAMLDefines(value: String) throws {
        #expect(try read(secret("stringData: {a: \(value)}\n")).count == 1)
    }

    @Test func acceptsAnchorsWithAnAliasInAFlowMapping() throws {
        let secret = try read(secret("stringData: {a: &pw secret, b: *pw}\n"))[0]
        #expect(entries(secret) == ["a": "secret", "b": "secret"])
    }

    @Test func notesTemplateExpressions() throws {
        let secret = try read(
            secret("stringData:\n  a: '{{ .Values.a }}'\n  b: 'text {{ .b }}'\n  c: '{{ .c }}'\n"))[0]
        #expect(secret.notes.count == 2)
        #expect(secret.notes.first?.hasPrefix("s.yaml:5:6: stringData.a is wrapped unrendered") == true)
        #expect(secret.notes.allSatisfy { !$0.contains(".Values") })
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let place: String
        let words: String

        init(_ name: String, _ text: String, at place: String, _ words: String) {
            testDescription = name
            self.text = text
            self.place = place
            self.words = words
        }
    }

    private static let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n"

    static let bad: [Bad] = [
        Bad("empty file", "", at: "s.yaml", "is empty"),
        Bad("comments only", "# nothing\n---\n", at: "s.yaml", "is empty"),
        Bad(
            "invalid base64", head + "data:\n  pw: \(canary)!\n", at: "s.yaml:5:7",
            "data.pw is not valid base64"),
        Bad(
            "base64 without padding", head + "data: {pw: YWI}\n", at: "s.yaml:4:12", "put it under stringData"
        ),
        Bad(
            "no name", "apiVersion: v1\nkind: Secret\nmetadata: {namespace: n}\n", at: "s.yaml:1:1",
            "metadata.name is missing"),
        Bad(
            "an empty name", "apiVersion: v1\nkind: Secret\nmetadata: {name: ''}\n", at: "s.yaml:1:1",
            "metadata.name is missing"),
        Bad("no metadata", "apiVersion: v1\nkind: Secret\n", at: "s.yaml:1:1", "metadata.name is missing"),
        Bad(
            "a name that is a number", "apiVersion: v1\nkind: Secret\nmetadata: {name: 12}\n",
            at: "s.yaml:3:18", "put quotes around it"),
        Bad(
            "wrong kind", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\n", at: "s.yaml:1:1",
            #"found kind "ConfigMap" of "v1"; kind: Secret"#),
        Bad(
            "wrong version", "apiVersion: v2\nkind: Secret\nmetadata: {name: db}\n", at: "s.yaml:1:1",
            #"of "v2""#),
        Bad("no kind", "metadata: {name: db}\n", at: "s.yaml:1:1", "kind or apiVersion is missing"),
        Bad(
            "a wrapped one", "apiVersion: secrets-bridge.io/v1alpha1\nkind: WrappedSecret\n",
            at: "s.yaml:1:1", #"found kind "WrappedSecret""#),
        Bad(
            "duplicate keys", head + "stringData:\n  a: \(canary)\n  a: x\n", at: "s.yaml:6:3",
            "duplicate key"),
        Bad("duplicate field", head + "data: {}\ndata: {}\n", at: "s.yaml:5:1", "duplicate key"),
        Bad(
            "unknown field", head + "dta: {a: \(canary)}\n", at: "s.yaml:4:1", "a Secret has no such field"
        ),
        Bad(
            "a number in stringData", head + "stringData: {pin: 1234}\n", at: "s.yaml:4:19",
            "stringData.pin is a number; a string is expected; put quotes around it"),
        Bad("a boolean in stringData", head + "stringData: {on: yes}\n", at: "s.yaml:4:", "quotes"),
        Bad(
            "nothing in stringData", head + "stringData: {a: }\n", at: "s.yaml:4:14",
            "this entry has no value"),
        // Values that are read as keys.
        Bad(
            "no space after the colon", head + "stringData: {password:\(canary)}\n", at: "s.yaml:4:14",
            "not the name of an entry"),
        Bad(
            "no space after the colon, in data", head + "data: {password:\(canary)}\n", at: "s.yaml:4:8",
            "a space is needed"),
        Bad(
            "no space after the colon of a field", "{apiVersion: v1, kind: Secret, type:\(canary)}\n",
            at: "s.yaml:1:32", "a Secret has no such field"),
        Bad(
            "a comma in a value", head + "stringData: {password: a,\(canary)}\n", at: "s.yaml:4:26",
            "quotes around a value with a comma"),
        Bad(
            "a value alone", head + "stringData: {\(canary)}\n", at: "s.yaml:4:14", "this entry has no value"),
        Bad(
            "a value twice", head + "stringData: {\(canary), \(canary)}\n", at: "s.yaml:4:", "duplicate key"),
        Bad(
            "a value that lost its indentation", head + "stringData:\n  a: |\n\(canary): b\n",
            at: "s.yaml:6:1",
            "a Secret has no such field"),
        Bad(
            "a value as a complex key", head + "stringData: {? {a: \(canary)} : b}\n", at: "s.yaml:4:",
            "a mapping cannot be a key"),
        Bad(
            "a value that is read as a number", head + "stringData: {0x7F3A: \(canary)}\n", at: "s.yaml:4:14",
            "put quotes around it"),
        Bad(
            "a value as the kind", "apiVersion: v1\nkind: 'Secret \(canary)'\nmetadata: {name: db}\n",
            at: "s.yaml:1:1", "found another kind"),
        Bad(
            "a value in a tag", head + "stringData: {a: !!int \(canary)}\n", at: "s.yaml:4:",
            "does not match its tag"),
        Bad("a value as an alias", head + "stringData: {a: *\(canary)}\n", at: "s.yaml:4:", "an alias"),
        Bad(
            "a mapping in stringData", head + "stringData: {a: {b: c}}\n", at: "s.yaml:4:17",
            "stringData.a is a mapping"),
        Bad(
            "data is a list", head + "data: [a]\n", at: "s.yaml:4:7", "data is a list; a mapping is expected"),
        Bad(
            "an entry with a slash", head + "stringData: {a/b: x}\n", at: "s.yaml:4:14",
            "not the name of an entry"),
        Bad(
            "a label that is a number", head.replacing("}", with: ", labels: {a: 1}}"), at: "s.yaml:3:",
            "metadata.labels.a is a number"),
        Bad(
            "immutable is a word", head + "immutable: maybe\n", at: "s.yaml:4:12", "true or false is expected"
        ),
        Bad(
            "base64 that is folded", head + "data:\n  pw: >-\n    YWJj\n    ZGVm\n", at: "s.yaml:5:7",
            "data.pw is not valid base64 (it has blanks); lines that are folded (>)"),
        Bad(
            "base64 over several lines", head + "data:\n  pw: YWJj\n    ZGVm\n", at: "s.yaml:5:7",
            "joined with blanks"),
        Bad(
            "base64 with line breaks and a blank", head + "data: {pw: \"YWJj\\n ZGVm\"}\n", at: "s.yaml:4:12",
            "it has blanks"),
        Bad(
            "a template's value", head + "data:\n  pw: {{ .Values.\(canary) }}\n", at: "s.yaml:5:1",
            "{{ }} makes this a template, as in a Helm chart"),
        Bad(
            "a template's condition", "{{- if .Values.\(canary) }}\n" + head + "{{- end }}\n",
            at: "s.yaml:1:1",
            "render it first (helm template)"),
        Bad(
            "a template's range in the middle", head + "data:\n  {{- range $k, $v := .Values.x }}\n  a: b\n",
            at: "s.yaml:5:1", "helm template"),
        Bad(
            "a template's value in quotes", head + "data:\n  pw: \"{{ .Values.\(canary) | b64enc }}\"\n",
            at: "s.yaml:5:7", "not valid base64 (it has {{ }}, as in a template"),
        Bad(
            "a template's name", head.replacing("name: db", with: "name: '{{ .Release.Name }}-db'"),
            at: "s.yaml:3:18", "metadata.name has {{ }}"),
        Bad(
            "two documents without a separator", head + "data: {}\n" + head, at: "s.yaml:5:1",
            "first in line 1; remove one, or put a line --- between them"),
        Bad(
            "two Lists without a separator", "apiVersion: v1\nitems: []\nkind: List\napiVersion: v1\n",
            at: "s.yaml:4:1", "put a line --- between"),
        Bad(
            "a merge that is not resolved",
            head + "stringData:\n<<<<<<< HEAD\n  a: \(canary)\n=======\n  a: b\n>>>>>>> other\n",
            at: "s.yaml:5:1", "<<<<<<< is a conflict marker of git"),
        Bad(
            "the rest of a merge", head + "stringData:\n  a: \(canary)\n=======\n  a: b\n", at: "s.yaml:6:1",
            "======= is a conflict marker"),
        Bad(
            "the end of a merge, with CR", head + "stringData:\r\n  a: b\r\n>>>>>>> x\r\n", at: "s.yaml:6:1",
            ">>>>>>> is a conflict marker"),
        Bad(
            "a value that is a tag", head + "stringData:\n  pw: !\(canary)\n", at: "s.yaml:5:7",
            "stringData.pw begins with !"),
        Bad(
            "a value that is a tag, in braces", head + "stringData: {pw: !\(canary)}\n", at: "s.yaml:4:",
            "quote values that start with !"),
        Bad(
            "a value that begins with a tag", head + "stringData:\n  pw: !\(canary) word\n", at: "s.yaml:5:7",
            "put quotes around it"),
        Bad(
            "a value that begins with two !", head + "stringData:\n  pw: !!\(canary) word\n",
            at: "s.yaml:5:7",
            "put quotes around it"),
        Bad("a value of one !", head + "stringData:\n  pw: !\n", at: "s.yaml:5:7", "begins with !"),
        Bad(
            "a value in data with a tag", head + "data: {pw: !x YQ==}\n", at: "s.yaml:4:12",
            "data.pw begins with !"),
        Bad("a type with a tag", head + "type: !\(canary) x\n", at: "s.yaml:4:7", "type begins with !"),
        Bad(
            "a value that begins with an anchor", head + "stringData:\n  pw: &\(canary) word\n",
            at: "s.yaml:5:7", "the value begins with &"),
        Bad(
            "an anchor, and its name after * in another value",
            head + "stringData:\n  a: &x \(canary)\n  b: \"2*x4\"\n", at: "s.yaml:5:6",
            "the value begins with &"),
        Bad(
            "an anchor, and an alias of a longer name",
            head + "stringData:\n  c: &xy d\n  a: &x \(canary)\n  b: *xy\n", at: "s.yaml:6:6",
            "the value begins with &"),
        Bad(
            "an anchor that is defined again before the alias",
            head + "stringData:\n  a: &x \(canary)\n  c: &x d\n  b: *x\n", at: "s.yaml:5:6",
            "the value begins with &"),
        Bad(
            "an anchor after a tag", head + "stringData:\n  a: !!str &x \(canary)\n", at: "s.yaml:5:6",
            "the value begins with &"),
        Bad(
            "stringData in lower case", head + "stringdata: {a: \(canary)}\n", at: "s.yaml:4:1",
            "is stringData meant?"),
        Bad("Data with a capital", head + "Data: {a: b}\n", at: "s.yaml:4:1", "is data meant?"),
        Bad("string_data", head + "string_data: {a: b}\n", at: "s.yaml:4:1", "is stringData meant?"),
        Bad("string-data", head + "string-data: {a: b}\n", at: "s.yaml:4:1", "is stringData meant?"),
        Bad(
            "metdata", "kind: Secret\napiVersion: v1\nmetdata: {name: a}\n", at: "s.yaml:3:1",
            "is metadata meant?"),
        Bad(
            "label", head.replacing("name: db", with: "name: db, label: {a: \(canary)}"), at: "s.yaml:3:22",
            "metadata of a Secret has no such field (name, namespace, labels, annotations are its fields); is labels meant?"
        ),
        Bad(
            "annotation", head.replacing("name: db", with: "name: db, annotation: {a: b}"), at: "s.yaml:3:22",
            "is annotations meant?"),
        Bad(
            "values without the line stringData",
            head.replacing("name: db", with: "name: db, password: \(canary)"),
            at: "s.yaml:3:22", "is the line data: or stringData: missing before it?"),
        Bad("a list of strings", "- a\n- b\n", at: "s.yaml:1:1", "found a list; a Secret manifest"),
        Bad("a word", canary, at: "s.yaml:1:1", "found a string"),
        Bad("not closed", head + "data: {a: '\(canary)\n", at: "s.yaml:", ""),
        Bad("an empty List", "apiVersion: v1\nkind: List\nitems: []\n", at: "s.yaml", "List without items"),
        Bad("a List without items", "apiVersion: v1\nkind: List\n", at: "s.yaml:1:1", "items is missing"),
        Bad(
            "a List with something else", "kind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n",
            at: "s.yaml:3:3", #"found kind "Pod""#),
    ]

    @Test(arguments: bad) func refusesInvalidManifests(bad: Bad) {
        let message = errorMessage { () throws(InputError) in try read(bad.text) }
        #expect(message?.hasPrefix(bad.place) == true, "\(message ?? "accepted")")
        #expect(message?.contains(bad.words) == true, "\(message ?? "accepted")")
        expectSafeMessage(message)
    }

    @Test func acceptsAnchorsWithAnAlias() throws {
        let secrets = try read(Self.head + "stringData:\n  a: &x yz\n  b: *x\n")
        #expect(secrets.map(entries) == [["a": "yz", "b": "yz"]])
    }

    /// Items of a `SecretList` inherit its kind and version.
    @Test func inheritsKindAndVersionFromASecretList() throws {
        let item = "- {metadata: {name: db}, stringData: {a: b}}\n"
        let secrets = try read("kind: SecretList\napiVersion: v1\nitems:\n\(item)")
        #expect(secrets.map(\.name) == ["db"])
        #expect(
            errorMessage { () throws(InputError) in try read("kind: List\napiVersion: v1\nitems:\n\(item)") }
                != nil)
    }

    @Test func notesAValueThatEndsBeforeAComment() throws {
        let text =
            Self.head
            + "stringData:\n  a: \(canary) #2\n  b: \"x\" # y\n  c: x#y\n  d: z\n  # e\n  f: |  # g\n    h\n"
        let notes = try read(text).flatMap(\.commentNotes)
        #expect(notes == ["s.yaml:5:6: the value of a ends before a comment; quote it if # is part of it"])
    }

    /// After any slip of one character in any place, no error shows a part of the value.
    @Test(arguments: [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  pw: \(canary)\n  two: |\n    \(canary)\n    x\n",
        "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {pw: \(canary), two: '\(canary)'}}\n",
        #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"pw":"\#(canary)"}}"#,
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  pw: \(canary)\n",
    ])
    func showsNoValueAfterAnySlip(text: String) {
        let secret = Array(canary)
        let parts = (0...(secret.count - 5)).map { String(secret[$0..<($0 + 5)]) }
        let characters = Array(text)
        for index in characters.indices {
            var slips = [characters[..<index] + characters[(index + 1)...]]
            slips += ":,{}[]\"'\n#-&*!?|> \t\u{0}".map { characters[..<index] + [$0] + characters[index...] }
            for slip in slips {
                let slip = String(slip)
                let message = errorMessage { () throws(InputError) in try read(slip) }
                guard let message else { continue }
                #expect(!parts.contains { message.contains($0) }, "\(slip.debugDescription): \(message)")
                #expect(!message.contains("\n"))
            }
        }
    }

    @Test(arguments: [[0xFF, 0xFE, 0, 1], [0x7F, 0x45, 0x4C, 0x46, 0, 0], [0x1F, 0x8B, 8]] as [[UInt8]])
    func refusesBinaryNoise(bytes: [UInt8]) {
        let message = errorMessage { () throws(InputError) in
            try SecretManifestReader.secrets(in: SecretBytes(copying: bytes), source: "s.yaml")
        }
        expectSafeMessage(message)
    }
}
