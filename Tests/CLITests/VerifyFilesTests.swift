import Cryptography
import Envelope
import Glibc
import KMS
import TestSupport
import Testing

@testable import CLI

/// Verifies the changed files of a commit: skips other files, and reports what does not belong in a repository.
struct VerifyFilesTests {
    private let key: LocalKeyManager
    private let folder: TemporaryFolder

    private let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {pw: \(canary)}\n"
    private let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {kind: WrappedSecret}\n"

    init() throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: 1, count: 32)))
        folder = try TemporaryFolder()
    }

    private func wrapped() async throws -> String {
        let input = try SecretManifestReader.secrets(in: secretBytes(secret), source: "x")
        let wrapping = SecretWrapper(keys: KeyRing(primary: key), scope: .strict, namespace: "payments")
        return yaml(try await wrapping.wrap(input[0]).manifest)
    }

    private func verify(
        _ paths: [String], allowsNone: Bool = true, allowsPlaintext: Bool = false
    ) async -> Verification.Report {
        await Verification(keys: nil, namespace: nil).verify(
            WrappedSecretFiles(
                reading: paths, .init(allowsNone: allowsNone, allowsPlaintext: allowsPlaintext)))
    }

    /// A killed `unwrap -w` leaves plaintext in a temporary file.
    @Test(arguments: [".db.yaml.1a.secrets-bridge-tmp", ".out.1a.secrets-bridge-tmp"], [true, false])
    func findsUnencryptedSecretsInAbandonedTemporaryFiles(name: String, allowsNone: Bool) async throws {
        try folder.write("a.yaml", try await wrapped())
        let path = try folder.write(name, secret)
        let result = await verify([folder.path], allowsNone: allowsNone)
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.contains("\(name):1:1: Secret \"db\" is not encrypted") == true)
        #expect(result.notes == ["\(path): is a temporary file that a killed run left; remove it"])
        #expect(await verify([folder.path], allowsPlaintext: true).problems == [])
        let file = open(path, O_RDONLY)
        defer { close(file) }
        #expect(flock(file, LOCK_EX) == 0)
        #expect(await verify([folder.path], allowsNone: allowsNone).problems == [], "a process writes it")
    }

    @Test func findsKindsThatAreWrittenWithEscapes() async throws {
        let wrapped = try await wrapped().replacing("kind: WrappedSecret", with: #"kind: "\x57rappedSecret""#)
        let plain = secret.replacing("kind: Secret", with: #"kind: "\u0053ecret""#)
        let paths = [
            try folder.write("a.yaml", wrapped), try folder.write("b.yaml", plain),
            try folder.write("c.yaml", "script: |\n\techo \"\\u0041\"\n"),
        ]
        let result = await verify(paths)
        #expect(result.count == 1)
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.contains("b.yaml") == true)
    }

    /// kubectl takes the last of two values, and each of these notations for the kind.
    @Test(
        arguments: [
            "kind: Secret", "kind: &k Secret", "x: &k Secret\nkind: *k", "? kind\n: Secret",
            "kind:\n  Secret",
            "kind: >-\n  Secret", "kind: # c\n  Secret", "kind:\(String(repeating: " ", count: 90))Secret",
            #""k\x69nd": Secret"#, "kind: !!str Secret", #"kind: "\x53ecret""#, "kind: !!binary U2VjcmV0",
            #"kind: "Sec\\#n  ret""#, #"kind: "Sec\\#r  ret""#,
        ])
    func reportsASecretThatItCannotRead(kind: String) async throws {
        let text =
            "apiVersion: v1\n\(kind)\nmetadata: {name: x}\nstringData:\n  a: b\n  a: \(canary) # {{ x }}\n"
        let result = await verify([try folder.write("a.yaml", text)])
        #expect(result.problems.count == 1, "\(result.problems)")
        #expect(result.notes == [])
    }

    @Test func reportsAnEscapedKindBeforeASyntaxError() async throws {
        let plain = secret.replacing("kind: Secret", with: #"kind: "\u0053ecret""#)
        let result = await verify([try folder.write("a.yaml", plain + "---\n[\n")])
        #expect(result.problems.count == 1)
    }

    @Test func reportsAKeyThatOccursTwiceInJSON() async throws {
        let text = #"{"apiVersion":"v1","kind":"ConfigMap","k\u0069nd":"\u0053ecret","stringData":{"a":"b"}}"#
        let result = await verify([try folder.write("a.json", text)])
        #expect(result.problems.count == 1)
    }

    @Test func readsHiddenFilesAndFilesBehindLinks() async throws {
        try folder.write("in/.hidden.yaml", secret)
        try folder.write("in/.git/config.yaml", secret)
        try folder.write("in/blob.txt", try await wrapped())
        try folder.link("in/link.yaml", to: "blob.txt")
        try folder.link("in/again.yaml", to: ".hidden.yaml")
        let result = await verify([folder.path("in")])
        #expect(result.count == 1)
        #expect(result.problems.count == 1)
        #expect(result.problems.first?.contains("in/.hidden.yaml") == true)
    }

    @Test func skipsFilesWithoutWrappedSecretsIfAllowed() async throws {
        let paths = [
            try folder.write("a b.yaml", try await wrapped()), try folder.write("other.yaml", other),
            try folder.write("page.md", "kind: WrappedSecret\n\(secret)```\n"),
            try folder.write("program.go", "kind: Secret\n\t}"), try folder.write("noise.yaml", "x: [\n"),
            try folder.write("text.yml", "# WrappedSecret\n\t- @\n"), try folder.write("empty.json", ""),
        ]
        let result = await verify(paths)
        #expect(result.count == 1)
        #expect(result.problems == [])
        #expect(result.notes == [])
        #expect(
            await verify(Array(paths[1...])).summary("open")
                == "no WrappedSecrets, no problems; 2 files not read (not named .yaml, .yml or .json)")
        #expect(await verify([]).problems == [])
        // Without the flag, each file is reported. A missing path always is.
        #expect(await verify(paths, allowsNone: false, allowsPlaintext: true).problems.count == 6)
        #expect(await verify([folder.path("nowhere.yaml")]).problems.count == 1)
    }

    @Test(arguments: [
        "", "kind: WrappedSecret\n", "apiVersion: secrets-bridge.io/v1alpha1\nkind: WrappedSecret\n",
    ])
    func reportsADamagedWrappedSecret(head: String) async throws {
        let isOne = head.contains("apiVersion")
        let path = try folder.write("a.yaml", head + "spec: {}\n")
        #expect(await verify([path]).problems.count == (isOne ? 1 : 0))
        let broken = try folder.write("b.yaml", head + "spec: [\n")
        #expect(await verify([broken]).problems.count == (head.isEmpty ? 0 : 1))
    }

    @Test func skipsTemplatesWithANote() async throws {
        let paths = [
            try folder.write("a.yaml", "kind: WrappedSecret\nmetadata:\n  name: {{ .Release.Name }}\n"),
            try folder.write("b.yaml", "{{- if .x }}\nkind: Secret\nstringData: {a: {{ .a }}}\n{{- end }}\n"),
            try folder.write("c.yaml", "{{- if .x }}\nkind: ConfigMap # WrappedSecret, Secret\n{{- end }}\n"),
        ]
        let result = await verify(paths)
        #expect(result.problems == [])
        #expect(result.notes.count == 2, "\(result.notes)")
        #expect(result.notes.first == "\(paths[0]): is a template ({{ }}) and was not checked")
        #expect(result.notes.last == "\(paths[1]): is a template ({{ }}) and was not searched for Secrets")
        #expect(await verify([paths[0]], allowsNone: false).problems.count == 1)
    }

    static let plain: [(String, String, Int)] = [
        ("a Secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n", 1),
        ("data", "apiVersion: v1\nkind: \"Secret\"\nmetadata: {name: a}\ndata: {a: Yg==}\n", 1),
        ("JSON", #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"a":"Yg=="}}"#, 1),
        ("no apiVersion", "kind: Secret\nstringData: {a: b}\n", 1),
        (
            "a List",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, data: {a: Yg==}}\n", 1
        ),
        (
            "a SecretList",
            "apiVersion: v1\nkind: SecretList\nitems:\n- {metadata: {name: a}, data: {a: Yg==}}\n", 1
        ),
        (
            "a List in a List",
            "kind: List\nitems:\n- kind: List\n  items: [{kind: Secret, data: {a: Yg==}}]\n", 1
        ),
        (
            "the second document",
            "kind: ConfigMap\n---\nkind: Secret\ndata: {a: Yg==}\n---\nkind: Secret\ndata: {a: x}\n", 2
        ),
        (
            "no values",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/service-account-token\n",
            0
        ),
        ("empty data", "apiVersion: v1\nkind: Secret\ndata: {}\nstringData:\n", 0),
        (
            "a SealedSecret",
            "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec: {encryptedData: {a: b}}\n", 0
        ),
        (
            "an ExternalSecret",
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\ndata: [{secretKey: a}]\n", 0
        ),
        ("another group", "apiVersion: example.com/v1\nkind: Secret\ndata: {a: b}\n", 0),
        ("a role", "kind: Role\nrules: [{resources: [secrets], resourceNames: [Secret]}]\n", 0),
        ("SOPS", "apiVersion: v1\nkind: Secret\ndata: {a: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: x}\n", 0),
        (
            "SOPS and a plain value",
            "apiVersion: v1\nkind: Secret\ndata: {a: 'ENC[x]', b: x}\nsops: {mac: x}\n", 1
        ),
        ("a misspelt field", "kind: Secret\nmetadata: {name: a}\nstringdata: {a: b}\n", 1),
        ("another misspelt field", "apiVersion: v1\nkind: Secret\nData: {a: Yg==}\n", 1),
        ("a field of no Secret", "apiVersion: v1\nkind: Secret\npassword: x\n", 1),
        ("a value among the metadata", "kind: Secret\nmetadata: {name: a, stringData: {a: b}}\n", 1),
        ("an empty field of no Secret", "kind: Secret\nmetadata: {name: a}\nspec: {}\nother:\n", 0),
        ("a patch that deletes", "kind: Secret\nmetadata: {name: a}\n$patch: delete\n", 0),
        ("a misspelt field of SOPS", "kind: Secret\nstringdata: {a: 'ENC[x]'}\nsops: {mac: x}\n", 0),
        (
            "what kubectl applied",
            #"""
            kind: Secret
            metadata:
              annotations:
                kubectl.kubernetes.io/last-applied-configuration: |
                  {"apiVersion":"v1","kind":"Secret","stringData":{"a":"b"}}

            """#, 1
        ),
        (
            "what kubectl applied, and data",
            #"""
            kind: Secret
            metadata:
              annotations:
                kubectl.kubernetes.io/last-applied-configuration: |
                  {"apiVersion":"v1","kind":"Secret","data":{"a":"b"}}
            data: {a: b}

            """#, 2
        ),
        (
            "what kubectl applied without values",
            #"""
            kind: Secret
            metadata:
              annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"kind":"Secret"}'}

            """#, 0
        ),
        ("a sequence", #"[{"kind":"Secret","data":{"a":"Yg=="}},{"kind":"Secret","data":{"a":""}}]"#, 2),
        ("a sequence in YAML", "- kind: Secret\n  stringData: {a: b}\n", 1),
        ("items without a kind", "items:\n- kind: Secret\n  stringData: {a: b}\n", 1),
        (
            "a document that is not text behind it",
            "kind: # c\n  Secret\nstringData: {a: b}\n---\n# \u{1}\n", 1
        ),
        (
            "a document that YAML does not allow behind it",
            "kind: # c\n  Secret\ndata: {a: b}\n---\n# \u{7F}\n", 1
        ),
        (
            "JSON with a key twice and a surrogate pair",
            #"{"a":"\ud83d\ude00","a":"x","kind":"\u0053ecret","stringData":{"p":"q"}}"#, 1
        ),
        (
            "JSON with half a surrogate pair", #"{"z":"\ud800","kind":"\u0053ecret","stringData":{"p":"q"}}"#,
            1
        ),
        ("a tag with an escape", "kind: !!%62inary U2VjcmV0\nstringData: {p: x}\n", 1),
        ("an alias of a Secret", "- &s {kind: Secret, data: {a: b}, other: x}\n- *s\n- *s\n", 2),
        ("several unknown fields", "kind: Secret\nx: 1\ny: 2\nmetadata: {z: 3}\n", 1),
        (
            "an alias of what kubectl applied",
            """
            - metadata: &m
                annotations:
                  kubectl.kubernetes.io/last-applied-configuration: '{"kind":"Secret","data":{"a":"b"}}'
            - metadata: *m
            - metadata: *m

            """, 1
        ),
        (
            "what kubectl applied, in YAML",
            "metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: \"kind: Secret\\ndata: {a: b}\"}}\n",
            1
        ),
        ("a file that is not YAML", "apiVersion: v1\nkind: Secret\nstringData: {a: b\n", 1),
    ]

    @Test(arguments: plain.indices) func findsUnencryptedSecrets(index: Int) async throws {
        let (name, text, count) = Self.plain[index]
        let path = try folder.write("a.yaml", text)
        let result = await verify([path])
        #expect(result.problems.count == count, "\(name): \(result.problems)")
        for problem in result.problems { #expect(problem.hasPrefix("\(path):"), "\(problem)") }
        #expect(await verify([path], allowsPlaintext: true).problems == [])
    }

    @Test func namesAnUnencryptedSecretWithoutItsValues() async throws {
        let wrapped = try await wrapped()
        let path = try folder.write("a.yaml", "# c\n---\n\(secret)---\n" + wrapped)
        let result = await verify([path], allowsNone: false)
        #expect(
            result.problems == [
                "\(path):3:1: Secret \"db\" is not encrypted (1 value); commit the output of secrets-bridge wrap instead, and "
                    + "change values that were pushed"
            ])
        #expect(result.count == 1)
        let utf16 = try folder.write(
            "b.yaml", [0xFF, 0xFE] + Array("kind: Secret".utf16).flatMap { [UInt8($0), 0] })
        #expect(
            await verify([utf16]).problems == [
                "\(utf16): is UTF-16; convert it to UTF-8 with iconv -f UTF-16 -t UTF-8"
            ])
    }

    private static func refusals(of path: String) -> [String] {
        [
            errorMessage { () throws(InputError) in try WrappedSecretFile(reading: path) } ?? "",
            errorMessage { () throws(InputError) in try ManifestFile.contents(of: path) } ?? "",
        ]
    }

    private static func refusalOfEnvFile(_ path: String) -> String {
        errorMessage { () throws(InputError) in
            var input = SecretArguments()
            try input.addEnvFile(path) { _ in nil }
        } ?? ""
    }

    /// kubectl reads UTF-16, but a search for a word fails in it.
    @Test(arguments: ["UTF-16", "UTF-16LE", "UTF-16BE"])
    func refusesUTF16(encoding: String) async throws {
        try folder.write("a.yaml", try await wrapped())
        let units = Array(try await wrapped().utf16)
        let path = try folder.write(
            "b.yaml",
            (encoding == "UTF-16" ? [0xFE, 0xFF] : [])
                + units.flatMap { unit -> [UInt8] in
                    let (high, low) = (UInt8(unit >> 8), UInt8(unit & 0xFF))
                    return encoding == "UTF-16LE" ? [low, high] : [high, low]
                })
        let expected = "\(path): is UTF-16; convert it to UTF-8 with iconv -f \(encoding) -t UTF-8"
        for allowsNone in [true, false] {
            let result = await verify([folder.path], allowsNone: allowsNone)
            #expect(result.count == 1)
            #expect(result.problems == [expected])
        }
        // The readers of rewrap, edit, set and exec, and of wrap and unwrap.
        for message in Self.refusals(of: path) { #expect(message == expected) }
        #expect(try ReviewText(reading: path).file?.documents.isEmpty == true)
    }

    @Test(arguments: ["apiVersion: v1\nstringData: {a: \(canary)}\n", String(repeating: canary, count: 400)])
    func doesNotQuoteATextInPlaceOfAPath(text: String) async throws {
        var messages = await verify([text], allowsNone: false).problems
        messages += Self.refusals(of: text)
        messages.append(Self.refusalOfEnvFile(text))
        #expect(messages.count == 4)
        for message in messages {
            expectSafeMessage(message)
            #expect(message.hasPrefix("the argument is not a path (it "), "\(message)")
        }
    }

    /// Unknown fields, with the field that the error suggests.
    static let unknownFields: [(text: String, meant: String?)] = [
        ("  creationpolicy: Orphan\n", "creationPolicy"), ("  suspended: true\n", "suspend"),
        ("  templat: {}\n", "template"), ("  template:\n    labels: {a: b}\n", nil),
        ("  template:\n    metadata:\n      label: {a: b}\n", "labels"),
        ("  template:\n    tpye: Opaque\n", "type"), ("  hunter2: x\n", nil),
        ("  keyRef: {kind: KeyProvider, name: a, names: a}\n", "name"),
        ("  rolloutRestart:\n  - {kind: Deployment, name: a, kinds: a}\n", "kind"), ("specs: {}\n", "spec"),
        ("hunter2: {}\n", nil),
    ]

    @Test(arguments: unknownFields.indices) func reportsAnUnknownField(
        index: Int
    ) async throws {
        let (text, meant) = Self.unknownFields[index]
        let manifest = try await wrapped() + text
        let path = try folder.write("a.yaml", manifest)
        let result = await verify([path])
        #expect(result.problems.count == 1, "\(result.problems)")
        let problem = result.problems.first ?? ""
        let line = manifest.split(separator: "\n", omittingEmptySubsequences: false).count - 1
        #expect(problem.hasPrefix("\(path):\(line):"), "\(problem)")
        #expect(problem.hasSuffix(meant.map { "is \($0) meant?" } ?? "misspelt or wrongly indented?"))
        #expect(!problem.contains("hunter2"))
    }

    @Test func reportsAnUnknownMetadataField() async throws {
        func text(_ metadata: String) async throws -> String {
            try await wrapped().replacing("metadata:\n", with: "metadata:\n  \(metadata)\n")
        }
        let path = try folder.write("a.yaml", try await text("label: {a: b}"))
        let problems = await verify([path]).problems
        #expect(problems.count == 1)
        #expect(
            problems.first?.hasPrefix("\(path):4:3: metadata of a WrappedSecret has no such field") == true)
        #expect(problems.first?.hasSuffix("is labels meant?") == true)
        for known in [
            "labels: {any: a}", "annotations: {any: a}", "finalizers: [a/b]", "creationTimestamp: null",
            "uid: a",
        ] {
            let path = try folder.write("a.yaml", try await text(known) + "status: {any: a}\n")
            #expect(await verify([path]).problems == [], "\(known)")
        }
    }

    @Test func reportsADuplicateObjectInAFile() async throws {
        let text = try await wrapped()
        let path = try folder.write("a.yaml", text + "---\n" + text)
        let line = text.split(separator: "\n").count + 2
        let result = await verify([path])
        #expect(
            result.problems == [
                "\(path):\(line):1: WrappedSecret payments/db is also defined at \(path):1:1, and one apply overwrites the other; "
                    + "remove or rename one"
            ])
        #expect(result.summary("open") == "2 WrappedSecrets, 1 problem; the others open")
        // Overlays contain the same object for several clusters.
        let overlays = [try folder.write("b.yaml", text), try folder.write("c.yaml", text)]
        #expect(await verify(overlays).problems == [])
        let other = text.replacing("namespace: payments", with: "namespace: search")
        #expect(await verify([try folder.write("d.yaml", text + "---\n" + other)]).problems == [])
    }

    @Test(arguments: [
        "Secret.YAML", "s.Yml", "s.JSON", "s.yaml.bak", "s.yaml.example", "s.Yml.orig", "s.json.1",
    ])
    func readsManifestsWithAnyExtension(name: String) async throws {
        let path = try folder.write(name, #"{"kind": "Secret", "stringData": {"a": "b"}}"#)
        let result = await verify([path])
        #expect(result.problems.count == 1)
        #expect(!result.summary("open").contains("not read"))
    }

    @Test func countsSkippedFiles() async throws {
        let paths = ["page.md", "yaml", "a.yaml.d/program.go"].map { folder.path($0) }
        for path in paths { try folder.write(String(path.dropFirst(folder.path.utf8.count + 1)), secret) }
        let all = paths + [try folder.write("a.yaml", try await wrapped())]
        let result = await verify(all)
        #expect(result.problems == [])
        #expect(
            result.summary("open")
                == "1 WrappedSecret, 0 problems; all open; 3 files not read (not named .yaml, .yml or .json)")
    }

    @Test(arguments: ["<<<<<<< HEAD", "=======", ">>>>>>> branch", "||||||| base"])
    func reportsConflictMarkers(marker: String) async throws {
        let lines = try await wrapped().split(separator: "\n")
        let path = try folder.write(
            "a.yaml", (lines[..<6] + [Substring(marker)] + lines[6...]).joined(separator: "\n"))
        let expected =
            "\(path):7:1: \(marker.prefix(7)) is a conflict marker of git; resolve the merge, and remove the markers"
        #expect(await verify([path]).problems == [expected])
        // Other commands that read the file report the marker, too.
        let message = await errorMessage { () async throws(InputError) in try WrappedSecretFile(reading: path)
        }
        #expect(message == expected)
    }

    @Test func notesApplyToolMetadataInATemplate() async throws {
        let text =
            try await wrapped()
            + "  template: {metadata: {annotations: {argocd.argoproj.io/sync-wave: '1', note: 'x'}}}\n"
        let result = await verify([try folder.write("a.yaml", text)])
        #expect(result.problems == [])
        #expect(result.notes.count == 1)
        #expect(
            result.notes.first?.contains(
                "annotation argocd.argoproj.io/sync-wave of spec.template is copied to the Secret") == true)
    }

    /// An older version or another program may have wrapped it.
    @Test func reportsAValueThatTheAPIServerRefuses() async throws {
        let text = try await wrapped().replacing("pw:", with: ".dockerconfigjson:")
        let fields = try await Envelope.seal(
            [SecretEntry(name: ".dockerconfigjson", value: SharedSecret(copying: canary.utf8))],
            binding: try Binding(scope: .strict, namespace: "payments", secretName: "db"), with: key,
            recipients: []
        ).fields
        let lines = text.split(separator: "\n").map { line -> String in
            if line.hasPrefix("    wrappedKey:") {
                return "    wrappedKey: \(fields.recipients[0].wrappedKey)"
            }
            if line.hasPrefix("  mac:") { return "  mac: \(fields.mac)" }
            if line.contains(".dockerconfigjson") {
                return "    .dockerconfigjson: \(fields.data[".dockerconfigjson"] ?? "")"
            }
            return String(line)
        }
        let path = try folder.write(
            "a.yaml", lines.joined(separator: "\n") + "\n  template: {type: kubernetes.io/dockerconfigjson}\n"
        )
        let files = WrappedSecretFiles(reading: [path])
        #expect(await Verification(keys: nil, namespace: nil).verify(files).problems == [])
        let problems = await Verification(keys: KeyRing(primary: key), namespace: nil).verify(files).problems
        #expect(problems.count == 1)
        #expect(
            problems.first?.contains("needs a JSON object under .dockerconfigjson") == true, "\(problems)")
        expectSafeMessage(problems.first)
    }
}
