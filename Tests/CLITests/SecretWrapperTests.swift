import Cryptography
import Envelope
import JSON
import TestSupport
import Testing
import YAML

@testable import CLI

/// Wraps a Secret and unwraps it again.
@Suite struct SecretWrapperTests {
    private let keys: FakeKeyManager

    init() throws { keys = try FakeKeyManager() }

    private func wrap(
        _ manifest: String, scope: Scope = .strict, namespace: String? = nil
    ) async throws(InputError) -> SecretWrapper.Output {
        let secret = try SecretManifestReader.secrets(in: secretBytes(manifest), source: "s.yaml")[0]
        return try await SecretWrapper(keys: keys.keyRing, scope: scope, namespace: namespace).wrap(secret)
    }

    private func unwrap(
        _ manifest: String, namespace: String? = nil, keys: FakeKeyManager? = nil
    ) async throws(InputError) -> [JSONValue] {
        try await SecretUnwrapper(keys: (keys ?? self.keys).keyRing, namespace: namespace).secrets(
            in: secretBytes(manifest), source: "w.yaml")
    }

    private let manifest = """
        apiVersion: v1
        kind: Secret
        metadata:
          name: db
          namespace: payments
          labels: {team: a}
          annotations: {note: "yes"}
        type: example.com/x
        immutable: true
        stringData: {password: \(canary), empty: ""}
        data: {binary: AP8K}
        """

    private let plain =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \(canary)}\n"

    @Test func unwrapsToTheOriginalSecret() async throws {
        let output = try await wrap(manifest)
        #expect(output.notes == [])
        let wrapped = try json(output.manifest)
        #expect(wrapped["metadata"] == ["name": "db", "namespace": "payments"])
        #expect(
            wrapped[["spec", "template"]] == [
                "metadata": ["labels": ["team": "a"], "annotations": ["note": "yes"]],
                "type": "example.com/x",
                "immutable": true,
            ])
        #expect(wrapped[["spec", "scope"]] == "strict")
        #expect(wrapped[["spec", "format"]] == "v1")
        let expected: AnyJSON = [
            "apiVersion": "v1", "kind": "Secret", "type": "example.com/x", "immutable": true,
            "metadata": [
                "name": "db", "namespace": "payments", "labels": ["team": "a"],
                "annotations": ["note": "yes"],
            ],
            "data": ["binary": "AP8K", "empty": "", "password": .string(Base64.encode(canary.utf8))],
        ]
        let back = try await unwrap(yaml(output.manifest))
        #expect(try back.map(json) == [expected])
        // wrap reads the output of unwrap.
        #expect(
            try json(try await wrap(yaml(back[0])).manifest)[["spec", "template"]]
                == wrapped[["spec", "template"]])
    }

    @Test func writesNoPlaintext() async throws {
        let text = yaml(try await wrap(manifest).manifest)
        #expect(!text.contains(canary))
        #expect(!text.contains(Base64.encode(canary.utf8)))
        #expect(!text.contains("AP8K"))
    }

    @Test func omitsDefaults() async throws {
        let wrapped = try json(try await wrap(plain + "type: Opaque\n", namespace: "ns").manifest)
        #expect(wrapped[["spec", "template"]] == nil)
        let untyped = try json(try await wrap(plain + "type: ''\n", namespace: "ns").manifest)
        #expect(untyped[["spec", "template"]] == nil)
        let empty = try await wrap("apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n", namespace: "ns")
        #expect(try json(empty.manifest)[["spec", "data"]] == nil)
        #expect(try json(try await unwrap(yaml(empty.manifest))[0])["data"] == [:])
    }

    @Test func dropsTheLastAppliedAnnotationSilently() async throws {
        let note = #"kubectl.kubernetes.io/last-applied-configuration: '{"data":"\#(canary)"}'"#
        let output = try await wrap(
            manifest.replacing("annotations: {note: \"yes\"}", with: "annotations:\n    \(note)"))
        #expect(output.notes == [])
        #expect(try json(output.manifest)[["spec", "template", "metadata", "annotations"]] == nil)
        #expect(!yaml(output.manifest).contains(canary))
    }

    @Test func notesMetadataThatATemplateMayNotHold() async throws {
        let output = try await wrap(
            manifest.replacing(
                "labels: {team: a}",
                with: "labels: {team: a, app.kubernetes.io/managed-by: Helm, secrets-bridge.io/x: z}"))
        #expect(output.notes.count == 2)
        #expect(output.notes[0].contains("label app.kubernetes.io/managed-by is left out"))
        #expect(try json(output.manifest)[["spec", "template", "metadata", "labels"]] == ["team": "a"])
    }

    /// Instructions move to the WrappedSecret, which the tool applies. Bookkeeping is dropped.
    @Test(arguments: [
        ("annotations", "argocd.argoproj.io/sync-wave", "-1", true),
        ("annotations", "argocd.argoproj.io/sync-options", "Prune=false", true),
        ("annotations", "argocd.argoproj.io/compare-options", "IgnoreExtraneous", true),
        ("annotations", "argocd.argoproj.io/hook", "PreSync", true),
        ("annotations", "argocd.argoproj.io/hook-delete-policy", "HookSucceeded", true),
        ("annotations", "helm.sh/hook", "pre-install", true),
        ("annotations", "helm.sh/hook-weight", "-5", true),
        ("annotations", "helm.sh/hook-delete-policy", "before-hook-creation", true),
        ("annotations", "helm.sh/resource-policy", "keep", true),
        ("annotations", "kustomize.toolkit.fluxcd.io/prune", "disabled", true),
        ("labels", "kustomize.toolkit.fluxcd.io/prune", "disabled", true),
        ("annotations", "kustomize.toolkit.fluxcd.io/ssa", "Ignore", true),
        ("annotations", "helm.toolkit.fluxcd.io/driftDetection", "disabled", true),
        ("annotations", "kapp.k14s.io/change-rule.db", "upsert before upserting x", true),
        ("annotations", "argocd.argoproj.io/tracking-id", "a:/Secret:ns/db", false),
        ("labels", "argocd.argoproj.io/instance", "a", false),
        ("labels", "app.kubernetes.io/instance", "a", false),
        ("labels", "app.kubernetes.io/managed-by", "Helm", false),
        ("labels", "helm.sh/chart", "db-1.0.0", false),
        ("annotations", "meta.helm.sh/release-name", "a", false),
        ("labels", "kustomize.toolkit.fluxcd.io/name", "a", false),
        ("annotations", "kustomize.toolkit.fluxcd.io/checksum", "a", false),
        ("labels", "helm.toolkit.fluxcd.io/name", "a", false),
        ("annotations", "config.kubernetes.io/origin", "path", false),
        ("annotations", "kustomize.config.k8s.io/needs-hash", "yes-please", false),
        ("annotations", "werf.io/weight", "5", true), ("annotations", "werf.io/version", "2", false),
        ("annotations", "project.werf.io/name", "a", false),
        ("annotations", "kluctl.io/skip-delete", "true", true),
        ("labels", "kluctl.io/discriminator", "a", false),
        ("annotations", "strategy.spinnaker.io/versioned", "false", true),
        ("annotations", "moniker.spinnaker.io/application", "a", false),
        ("annotations", "field.cattle.io/projectId", "c:p", false),
        ("labels", "cattle.io/creator", "norman", false),
        ("annotations", "sealedsecrets.bitnami.com/managed", "true", false),
        ("labels", "applyset.kubernetes.io/part-of", "a", false), ("labels", "kapp.k14s.io/app", "a1", false),
    ])
    func keepsApplyToolMetadataOutOfTheTemplate(field: String, key: String, value: String, isMoved: Bool)
        async throws
    {
        let other = field == "labels" ? "labels: {team: a}" : "annotations: {note: \"yes\"}"
        let output = try await wrap(
            manifest.replacing(other, with: other.dropLast() + ", \(key): '\(value)'}"))
        let wrapped = try json(output.manifest)
        #expect(
            wrapped[["spec", "template", "metadata"]]
                == ["labels": ["team": "a"], "annotations": ["note": "yes"]])
        #expect(wrapped[["metadata", field]] == (isMoved ? [key: .string(value)] : nil))
        #expect(output.notes.count == 1)
        let kind = field.dropLast()
        #expect(
            output.notes.first?.hasPrefix("s.yaml:1:1: \(kind) \(key) is left out") == true, "\(output.notes)"
        )
        #expect(output.notes.first?.contains("put on the WrappedSecret") == isMoved)
    }

    @Test(arguments: [
        "app.kubernetes.io/name", "app.kubernetes.io/part-of", "argocd.argoproj.io/secret-type",
        "reconcile.fluxcd.io/watch", "helmet", "config.kubernetes.iox/a",
    ])
    func keepsLabelsThatSelectSecrets(key: String) async throws {
        let output = try await wrap(manifest.replacing("{team: a}", with: "{\(key): a}"))
        #expect(try json(output.manifest)[["spec", "template", "metadata", "labels"]] == [key: "a"])
        #expect(output.notes == [])
    }

    @Test func notesMetadataThatTheControllerDeniesByDefault() async throws {
        let output = try await wrap(
            manifest.replacing("labels: {team: a}", with: "labels: {team: a, synator/sync: \"yes\"}"))
        #expect(output.notes.count == 1)
        #expect(output.notes.first?.contains("label synator/sync makes another controller copy") == true)
        #expect(
            try json(output.manifest)[["spec", "template", "metadata", "labels"]]
                == ["team": "a", "synator/sync": "yes"])
    }

    @Test func opensOnlyWithinItsScope() async throws {
        let cluster = try await wrap(plain, scope: .cluster)
        #expect(cluster.notes.count == 1)
        #expect(cluster.notes[0].contains("scope cluster"))
        #expect(try json(cluster.manifest)["metadata"] == ["name": "db"])
        #expect(try await unwrap(yaml(cluster.manifest)).count == 1)
        #expect(try await unwrap(yaml(cluster.manifest), namespace: "anywhere").count == 1)

        let namespace = try await wrap(plain, scope: .namespace, namespace: "ns")
        let renamed = yaml(namespace.manifest).replacing("name: db", with: "name: other")
        #expect(try await unwrap(renamed).count == 1)
        #expect(
            await errorMessage { () async throws(InputError) in
                try await unwrap(yaml(namespace.manifest).replacing("namespace: ns", with: "namespace: mm"))
            } != nil)

        let strict = try await wrap(plain, namespace: "ns")
        let copy = await errorMessage { () async throws(InputError) in
            try await unwrap(yaml(strict.manifest).replacing("name: db", with: "name: other"))
        }
        #expect(copy?.contains("for another namespace, name or scope") == true)
        expectSafeMessage(copy)
    }

    @Test(arguments: [Scope.strict, .namespace]) func refusesAMissingNamespace(scope: Scope) async {
        let message = await errorMessage { () async throws(InputError) in try await wrap(plain, scope: scope)
        }
        #expect(message?.hasPrefix("s.yaml:1:1: Secret db has no namespace") == true)
        #expect(message?.contains("--namespace") == true)
    }

    @Test func refusesTwoDifferentNamespaces() async throws {
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(manifest, namespace: "other")
        }
        #expect(message?.contains("metadata.namespace is payments, but --namespace is other") == true)
        let wrapped = yaml(try await wrap(manifest, namespace: "payments").manifest)
        let back = await errorMessage { () async throws(InputError) in
            try await unwrap(wrapped, namespace: "other")
        }
        #expect(back?.contains("--namespace is other") == true)
    }

    @Test(arguments: ["Db", "a_b", "-", "é"]) func refusesAnInvalidName(name: String) async {
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(plain.replacing("name: db", with: "name: \(name)"), namespace: "ns")
        }
        #expect(message?.contains("metadata.name") == true)
    }

    @Test func refusesAnInvalidNamespace() async {
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(plain, namespace: "No")
        }
        #expect(message?.contains(#"metadata.namespace "No" is not a DNS label"#) == true)
    }

    @Test func refusesMoreThanASecretHolds() async {
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(
                plain.replacing(canary, with: String(repeating: "x", count: 2 << 20)), namespace: "ns")
        }
        #expect(
            message?.contains("the values are 2097152 bytes in total; a Secret holds at most 1048576")
                == true)
    }

    @Test func notesAManifestThatIsTooLargeForClientSideApply() async throws {
        func notes(_ count: Int) async throws -> [String] {
            try await wrap(
                plain.replacing(canary, with: String(repeating: "x", count: count)), namespace: "ns"
            ).notes
        }
        #expect(try await notes(140_000) == [])
        let large = try await notes(145_000)
        #expect(large.count == 1)
        #expect(large[0].contains("kubectl apply --server-side"))
    }

    @Test func notesUnsupportedTemplateMetadata() async throws {
        let notes = try await wrap(
            plain.replacing(
                "{name: db}",
                with: "{name: db, finalizers: [a/b], generateName: x, ownerReferences: [], uid: u-1}"),
            namespace: "ns"
        ).notes
        #expect(notes.count == 2, "\(notes)")
        #expect(notes.contains { $0.contains("metadata.finalizers is left out") })
        #expect(notes.contains { $0.contains("metadata.generateName is left out") })
    }

    /// The controller's own annotations on the Secret count, too.
    @Test(arguments: [(0, false), (60_000, true)])
    func refusesAnnotationsAboveTheTotalLimit(last: Int, isRefused: Bool) async throws {
        let full = String(repeating: "x", count: 65_000)
        let annotations = (0..<4).map { "a\($0): \(full)" } + ["b: '\(String(repeating: "x", count: last))'"]
        let text = plain.replacing(
            "{name: db}", with: "{name: db, annotations: {\(annotations.joined(separator: ", "))}}")
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(text, namespace: "ns")
        }
        #expect((message != nil) == isRefused)
        if isRefused {
            #expect(message?.contains("262144 at most") == true, "\(message ?? "")")
            expectSafeMessage(message)
        }
    }

    /// The values fit into a Secret, but the WrappedSecret or the names do not.
    @Test func refusesAnObjectAboveTheSizeLimit() async throws {
        func message(_ entries: Int, _ size: Int) async -> String? {
            var secret = SecretInput(name: "db", namespace: "ns", source: "s.yaml")
            secret.entries = (0..<entries).map { index in
                let name = "\(index + 1000)-" + String(repeating: "n", count: 248)
                return SecretEntry(
                    name: name, value: SharedSecret(copying: [UInt8](repeating: 120, count: size)))
            }
            return await errorMessage { () async throws(InputError) in
                try await SecretWrapper(keys: keys.keyRing, scope: .strict, namespace: nil).wrap(secret)
            }
        }
        #expect(await message(1, 1_048_576) == nil)
        let refused = await message(1000, 1000)
        #expect(refused?.contains("the API server stores") == true, "\(refused ?? "accepted")")
        expectSafeMessage(refused)
    }

    @Test func refusesATypeWithoutItsEntries() async {
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(plain + "type: kubernetes.io/tls\n", namespace: "ns")
        }
        #expect(message?.contains("needs the entry tls.crt") == true)
        let forbidden = await errorMessage { () async throws(InputError) in
            try await wrap(plain + "type: kubernetes.io/service-account-token\n", namespace: "ns")
        }
        #expect(forbidden?.contains("carries cluster credentials") == true)
    }

    @Test func skipsDocumentsOfOtherKinds() async throws {
        let wrapped = yaml(try await wrap(manifest).manifest)
        let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
        #expect(try await unwrap("\(other)---\n\(wrapped)---\n\(other)---\n\(wrapped)").count == 2)
        let list =
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n- "
            + wrapped.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n  ")
        #expect(try await unwrap(list).count == 1)
        for (text, part) in [
            (other, #"w.yaml:1:1: found kind "ConfigMap" of "v1"; kind: WrappedSecret"#),
            ("", "w.yaml: is empty"),
            (
                "a: b\n",
                "w.yaml: contains no WrappedSecret; create one from a Secret with secrets-bridge wrap"
            ),
        ] {
            let message = await errorMessage { () async throws(InputError) in try await unwrap(text) }
            #expect(message?.contains(part) == true, "\(message ?? "")")
        }
    }

    @Test func readsAnEmptyNamespaceAsNone() async throws {
        let wrapped = yaml(try await wrap(plain, namespace: "ns").manifest)
            .replacing("namespace: ns", with: "namespace: \"\"")
        #expect(try await unwrap(wrapped, namespace: "ns").count == 1)
        let message = await errorMessage { () async throws(InputError) in try await unwrap(wrapped) }
        #expect(message?.contains("has no namespace; give --namespace") == true)
    }

    @Test func reportsAFailingKMSInOneLine() async throws {
        let wrapped = yaml(try await wrap(manifest).manifest)
        for code in [KeyManagerError.Code.unavailable, .accessDenied, .invalidCiphertext] {
            keys.fail(code)
            expectSafeMessage(await errorMessage { () async throws(InputError) in try await wrap(manifest) })
            expectSafeMessage(await errorMessage { () async throws(InputError) in try await unwrap(wrapped) })
        }
    }

    @Test func refusesToUnwrapWithAnotherKey() async throws {
        let wrapped = yaml(try await wrap(manifest).manifest)
        let other = try FakeKeyManager(seed: 9)
        let message = await errorMessage { () async throws(InputError) in
            try await unwrap(wrapped, keys: other)
        }
        #expect(message?.contains("none of its recipients") == true)
        #expect(message?.contains(keys.keyID) == true)
        #expect(message?.contains(other.keyID) == true)
        expectSafeMessage(message)
    }
}

@Suite struct SecretUnwrapperTests {
    private func unwrap(_ text: String) async throws -> String? {
        let keys = try FakeKeyManager()
        return await errorMessage { () async throws(InputError) in
            try await SecretUnwrapper(keys: keys.keyRing, namespace: nil).secrets(
                in: secretBytes(text), source: "w.yaml")
        }
    }

    private static let head = "apiVersion: secrets-bridge.io/v1alpha1\nkind: WrappedSecret\n"
    private static let named = "\(head)metadata: {name: db, namespace: ns}\n"

    @Test(arguments: [
        ("", "is empty"), ("kind: List\nitems: []\n", "List without items"),
        ("apiVersion: v1\nkind: Secret\n", #"found kind "Secret" of "v1""#),
        (head, "metadata is missing"), (named, "spec is missing"),
        ("\(named)spec: {}\n", "spec.recipients is missing"),
        ("\(named)spec: {format: v1, scope: strict, recipients: [], mac: x}\n", "spec.recipients"),
        ("\(named)spec: {format: v9, scope: strict, recipients: [], mac: x}\n", "newer secrets-bridge"),
        (
            "\(named)spec: {format: 1, scope: strict, recipients: [], mac: x}\n",
            "spec.format is not of type string"
        ),
        (
            "\(head)metadata: {name: db}\nspec: {format: v1, scope: strict, recipients: [], mac: x}\n",
            "has no namespace; give --namespace"
        ),
        ("[", ""),
    ]) func refusesInOneLine(text: String, words: String) async throws {
        let message = try await unwrap(text)
        #expect(message?.hasPrefix("w.yaml") == true, "\(message ?? "accepted")")
        #expect(message?.contains(words) == true, "\(message ?? "accepted")")
        expectSafeMessage(message)
    }

    /// A plaintext value was mistyped in the place of its ciphertext.
    @Test(arguments: [("password:\(canary)", "a space is needed"), (canary, "this entry has no value")])
    func doesNotQuoteAValueThatIsReadAsAKey(entry: String, words: String) async throws {
        let spec = "spec: {format: v1, scope: strict, recipients: [], mac: x, data: {\(entry)}}\n"
        let message = try await unwrap(Self.named + spec)
        #expect(message?.contains(words) == true, "\(message ?? "accepted")")
        expectSafeMessage(message)
    }

    /// `kubectl get wrappedsecrets -o yaml` prints a List.
    @Test func readsLists() async throws {
        let keys = try FakeKeyManager()
        let manifest =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: ns}\nstringData: {a: b}\n"
        let input = try SecretManifestReader.secrets(in: secretBytes(manifest), source: "s")[0]
        let wrapped = try await SecretWrapper(keys: keys.keyRing, scope: .strict, namespace: nil).wrap(input)
            .manifest
        let list = yaml(["apiVersion": "v1", "kind": "List", "items": .array([wrapped, wrapped])])
        let secrets = try await SecretUnwrapper(keys: keys.keyRing, namespace: nil).secrets(
            in: secretBytes(list), source: "w.yaml")
        #expect(secrets.count == 2)
    }
}
