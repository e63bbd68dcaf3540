import Envelope
import KubeClient
import System
import TestSupport
import Testing

@testable import CLI

/// Imports Secrets from a cluster, including one whose API server returns wrong objects.
struct ClusterImportTests {
    private func secret(
        _ namespace: String, _ name: String, uid: String = "1", more: String = ""
    ) -> String {
        #"{"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "\#(namespace)", "name": "\#(name)", "#
            + #""uid": "\#(uid)"\#(more)}, "stringData": {"pw": "\#(canary)"}}"#
    }

    private func list(_ items: [String]) -> FakeTransport.Response {
        FakeTransport.Response(
            200, #"{"metadata": {"resourceVersion": "1"}, "items": [\#(items.joined(separator: ","))]}"#)
    }

    /// - Returns: The imported Secrets, and the paths of the requests.
    private func `import`(
        _ responses: [FakeTransport.Response], _ selection: Selection = Selection(), names: [String] = [],
        notes: Recorder<String> = Recorder()
    ) async throws -> (secrets: [ImportedSecret], paths: [String]) {
        let transport = FakeTransport(script: responses)
        let cluster = ClusterConfiguration(server: "https://api.test")
        let work = ClusterImport(
            secrets: LiveSecretReader(KubeClient(connection: APIConnection(cluster, transport: transport))))
        let wrapper = SecretWrapper(keys: try FakeKeyManager().keyRing, scope: .strict, namespace: nil)
        do {
            let secrets = try await work.wrap(
                selection, names: names, with: { _ in wrapper }, note: { notes.append($0) })
            return (secrets, transport.requests.map(\.path))
        } catch {
            expectSafeMessage("\(error)")
            #expect(transport.requests.allSatisfy { !$0.path.contains("..") })
            throw error
        }
    }

    private func answer(_ text: String) -> FakeTransport.Response { FakeTransport.Response(200, text) }

    @Test func importsListedSecrets() async throws {
        let found = try await self.import([list([secret("a", "x")]), answer(secret("a", "x"))])
        #expect(found.secrets.map(\.relativePath) == ["a/x.yaml"])
    }

    /// A Secret that another controller writes would get two writers.
    @Test(arguments: [
        (#", "annotations": {"cert-manager.io/certificate-name": "x"}"#, "cert-manager manages it"),
        (#", "labels": {"controller.cert-manager.io/fao": "true"}"#, "cert-manager manages it"),
        (#", "labels": {"reconcile.external-secrets.io/created-by": "x"}"#, "External Secrets manages it"),
        (#", "annotations": {"reflector.v1.k8s.emberstack.com/reflects": "a/y"}"#, "Reflector manages it"),
        (#", "deletionTimestamp": "2026-01-01T00:00:00Z""#, "it is being deleted"),
        (#", "labels": {"secrets-bridge.io/managed": "true"}"#, "a WrappedSecret adds entries to it"),
        (
            #", "labels": {"secrets-bridge.io/managed": "true"}, "annotations": {"secrets-bridge.io/wrapped-secret": "o"}"#,
            "WrappedSecret o created it and may no longer exist"
        ),
    ])
    func leavesOutSecretsOfOtherControllers(more: String, problem: String) async throws {
        let notes = Recorder<String>()
        let found = try await self.import(
            [list([secret("a", "x", more: more), secret("a", "y")]), answer(secret("a", "y"))], notes: notes)
        #expect(found.secrets.map(\.relativePath) == ["a/y.yaml"])
        #expect(notes.elements.count == 1)
        #expect(
            notes.elements.first?.hasPrefix("Secret a/x is left out: \(problem)") == true, "\(notes.elements)"
        )
        // A Secret that is selected by name is imported with a note.
        let named = try await self.import(
            [answer(secret("a", "x", more: more))], Selection(namespace: "a"), names: ["x"])
        #expect(named.secrets.map(\.relativePath) == ["a/x.yaml"])
        guard problem.hasSuffix("manages it") else { return }
        #expect(named.secrets.first?.notes.contains { $0.contains("is managed by") } == true)
    }

    /// `wrap` uses the same list.
    @Test func whatApplyToolsReadIsNotInTheTemplate() async throws {
        let more =
            #", "labels": {"app.kubernetes.io/instance": "x", "team": "a"}, "resourceVersion": "7", "managedFields": [], "#
            + #""annotations": {"argocd.argoproj.io/sync-wave": "2", "meta.helm.sh/release-name": "x"}"#
        let found = try await self.import(
            [answer(secret("a", "x", more: more))], Selection(namespace: "a"), names: ["x"])
        let imported = try #require(found.secrets.first)
        let wrapped = try json(imported.manifest)
        #expect(wrapped[["spec", "template", "metadata"]] == ["labels": ["team": "a"]])
        #expect(wrapped[["metadata", "annotations"]] == ["argocd.argoproj.io/sync-wave": "2"])
        #expect(wrapped[["metadata", "labels"]] == nil)
        for key in [
            "app.kubernetes.io/instance", "argocd.argoproj.io/sync-wave", "meta.helm.sh/release-name",
        ] {
            #expect(imported.notes.contains { $0.contains("\(key) is left out") }, "\(imported.notes)")
        }
    }

    @Test(arguments: [
        ("a", "../../x"), ("../..", "x"), ("a", ".."), ("a", "x/y"), ("", "x"), ("a", "x\\u001b"),
    ])
    func failsIfTheServerListsAnInvalidName(namespace: String, name: String) async throws {
        await #expect(throws: InputError.self) {
            try await self.import([
                list([secret(namespace, name)]), answer(secret(namespace, name)),
            ])
        }
    }

    @Test(arguments: [
        ("another name", "a", "y", "1"), ("another namespace", "b", "x", "1"), ("another uid", "a", "x", "2"),
        ("a path", "a", "../../x", "1"),
    ])
    func failsIfTheServerReturnsAnotherSecretThanItListed(
        what: String, namespace: String, name: String, uid: String
    ) async throws {
        await #expect(throws: InputError.self, "\(what)") {
            try await self.import([
                list([secret("a", "x")]), answer(secret(namespace, name, uid: uid)),
            ])
        }
    }

    /// The user selected one namespace. Secrets of another would be read with the user's permissions.
    @Test func failsIfTheServerListsAnotherNamespace() async throws {
        await #expect(throws: InputError.self) {
            try await self.import(
                [list([secret("kube-system", "x")]), answer(secret("kube-system", "x"))],
                Selection(namespace: "a"))
        }
    }

    @Test(arguments: ["..", "../secrets/x", "A", ""])
    func doesNotRequestAnInvalidName(name: String) async throws {
        let transport = FakeTransport(script: [])
        let cluster = ClusterConfiguration(server: "https://api.test")
        let secrets = LiveSecretReader(KubeClient(connection: APIConnection(cluster, transport: transport)))
        await #expect(throws: InputError.self) {
            try await secrets.liveSecret(ObjectRef(namespace: "a", name: name))
        }
        #expect(transport.requests.isEmpty)
    }

    @Test func notesTheHandoverOfASecretThatASealedSecretOwns() async throws {
        let owner =
            #", "ownerReferences": [{"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "x", "#
            + #""uid": "9", "controller": true}], "finalizers": ["example.com/keep"]"#
        let notes = Recorder<String>()
        let all = try await self.import([list([secret("a", "x", more: owner)])], notes: notes)
        #expect(all.secrets.isEmpty)
        #expect(notes.elements.count == 1)
        #expect(notes.elements[0].contains("import --sealed"))
        let named = try await self.import(
            [answer(secret("a", "x", more: owner))], Selection(namespace: "a"), names: ["x"])
        let reported = try #require(named.secrets.first?.notes)
        #expect(reported.contains { $0.contains("kubectl delete sealedsecret -n a x --cascade=orphan") })
        #expect(reported.contains { $0.contains("metadata.finalizers is left out") })
    }
}
