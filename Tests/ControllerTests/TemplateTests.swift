import Cryptography
import Envelope
import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// `spec.template.data`: keys of the Secret that are rendered from its entries.
@Suite struct TemplateTests {
    private let path: [String] = ["spec", "template", "data"]

    private func cluster(
        _ templates: AnyJSON = ["app.conf": "password={{ .password }}\n"]
    ) async throws -> TestCluster {
        try await TestCluster.withWrappedSecret { $0[path] = templates }
    }

    /// Changes fields of the stored object, and leaves its envelope as it is.
    private func change(_ cluster: TestCluster, _ change: (inout AnyJSON) -> Void) throws {
        let key = "\(TestCluster.objects)/db"
        var object = try #require(cluster.server[key])
        change(&object)
        guard case .int(let generation)? = object[["metadata", "generation"]] else { return }
        object[["metadata", "generation"]] = .int(generation + 1)
        cluster.server[key] = object
        try cluster.syncCaches()
    }

    private func text(_ cluster: TestCluster, _ key: String) -> String? {
        guard let value = cluster.secret?[["data", key]]?.string, let bytes = try? Base64.decode(value) else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func message(_ cluster: TestCluster) -> String {
        cluster.condition("Ready")?["message"]?.string ?? ""
    }

    @Test func rendersKeysBesideTheEntries() async throws {
        let cluster = try await cluster()
        let run = await cluster.reconcile()
        #expect(run.outcome == .done)
        #expect(run.requests == ["POST payments/secrets", "PATCH wrappedsecrets/db/status"])
        #expect(text(cluster, "app.conf") == "password=canary-1\n")
        #expect(text(cluster, "password") == "canary-1")
        #expect(cluster.object?[["status", "secret", "templateHash"]]?.string?.utf8.count == 64)
    }

    @Test func sendsNoRequestForAnObjectInSync() async throws {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func rendersAgainAfterAChangeOfTheTemplateAlone() async throws {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        try change(cluster) { $0[path] = ["app.conf": "pw: {{ .password | quote }}"] }
        #expect(await cluster.reconcile().outcome == .done)
        #expect(text(cluster, "app.conf") == "pw: \"canary-1\"")
        #expect(cluster.reason == "Synced")
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func removesTheKeysOfATemplateThatIsRemoved() async throws {
        let cluster = try await cluster(["app.conf": "x", "other": "y"])
        _ = await cluster.reconcile()
        try change(cluster) { $0[path] = ["other": "y"] }
        _ = await cluster.reconcile()
        #expect(cluster.secret?["data"]?.fields?.keys.sorted() == ["other", "password"])
        try change(cluster) { $0[["spec", "template"]] = nil }
        _ = await cluster.reconcile()
        #expect(cluster.secret?["data"]?.fields?.keys.sorted() == ["password"])
        #expect(cluster.object?[["status", "secret", "templateHash"]] == nil)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().requests == [])
    }

    @Test func updatesLabelsWithoutTheKMSIfTheTemplatesAreTheSame() async throws {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        try change(cluster) { $0[["spec", "template", "metadata", "labels"]] = ["team": "a"] }
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.secret?[["metadata", "labels", "team"]] == "a")
        #expect(text(cluster, "app.conf") == "password=canary-1\n")
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test(arguments: [
        ("a\n {{ .missing }}", "line 2 column 2: there is no entry missing"),
        ("{{ .password | upper }}", "line 1 column 16: there is no filter upper"),
    ])
    func reportsAnInvalidTemplateWithoutTheKMSAndKeepsTheSecret(template: String, problem: String)
        async throws
    {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        let before = cluster.secret
        try change(cluster) { $0[path] = ["app.conf": .string(template)] }
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.reason == "InvalidSpec")
        #expect(message(cluster).hasPrefix("spec.template.data[app.conf] \(problem)"), "\(message(cluster))")
        #expect(cluster.secret == before)
        #expect(cluster.keys.unwrapCount == 1)
    }

    @Test func reportsAValueThatAFilterRefusesOnceAndKeepsTheSecret() async throws {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        let before = cluster.secret
        try change(cluster) { $0[path] = ["app.conf": "{{ .password | base64decode }}"] }
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.reason == "InvalidSpec")
        #expect(
            message(cluster).hasPrefix(
                "spec.template.data[app.conf] line 1 column 1: base64decode of entry password: the value is not base64"
            ))
        #expect(!message(cluster).contains("canary"))
        #expect(cluster.secret == before)
        #expect(cluster.keys.unwrapCount == 2)
        for _ in 0..<3 { #expect(await cluster.reconcile().requests == []) }
        #expect(cluster.keys.unwrapCount == 2)
        try change(cluster) { $0[path] = ["app.conf": "{{ .password }}"] }
        _ = await cluster.reconcile()
        #expect(cluster.reason == "Synced")
    }

    @Test func reportsASecretThatWouldBeTooLarge() async throws {
        let cluster = try TestCluster()
        let value = String(repeating: "v", count: 300_000)
        try await cluster.apply(["password": value]) {
            $0[path] = ["app.conf": "{{ .password }}{{ .password }}{{ .password }}"]
        }
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.reason == "TooLarge")
        #expect(
            message(cluster).contains("spec.template.data[app.conf] line 1 column 31: renders to more than"))
        #expect(cluster.secret == nil)
    }

    @Test func correctsDriftOfARenderedKey() async throws {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        for changed: AnyJSON? in ["eA==", nil] {
            var secret = try #require(cluster.secret)
            secret[["data", "app.conf"]] = changed
            secret[["metadata", "resourceVersion"]] = nil
            cluster.server["\(TestCluster.secrets)/db"] = secret
            try cluster.syncCaches()
            #expect(await cluster.reconcile().outcome == .done)
            #expect(text(cluster, "app.conf") == "password=canary-1\n")
        }
    }

    /// After a restart, the status alone shows that the templates have changed.
    @Test func detectsAChangeAfterARestart() async throws {
        let cluster = try await cluster()
        _ = await cluster.reconcile()
        var input = SyncInput(
            object: try JSONReader.read(WrappedSecret.self, from: Array(try #require(cluster.object).data())))
        input.status = input.object.status
        input.current = try JSONReader.read(
            SecretMetadata.self, from: Array(try #require(cluster.secret).data())
        ).metadata
        #expect(isInSync(input))
        input.object.spec.template?.data?["app.conf"] = "other"
        #expect(!isInSync(input))
        input.object.spec.template?.data = nil
        #expect(!isInSync(input))
    }

    private func isInSync(_ input: SyncInput) -> Bool {
        guard case .perform(let action, _) = SyncPlan.decide(input) else { return false }
        return action == .inSync
    }

    @Test func recordsRenderedKeysAmongTheEntriesOfAMerge() async throws {
        let keys = try FakeKeyManager()
        var object = try await makeWrappedSecret(by: keys, template: .init(data: ["app.conf": "x"]))
        object.spec.creationPolicy = "Merge"
        let desired = try DesiredSecret(object)
        let identity = try #require(desired.mergeIdentity)
        #expect(
            MetadataChanges.annotations(desired, of: object)[identity.entriesAnnotation]
                == "app.conf,password")
    }

    @Test func restartsWorkloadsForAChangeOfTheTemplates() {
        var secret = WrappedSecretStatus.SecretState(
            name: "db", uid: "s1", resourceVersion: "1", generation: 1, mac: "m", templateHash: "t",
            renderVersion: 1)
        let restarted = WrappedSecretStatus.RestartState(of: secret, time: "T")
        #expect(restarted.dataVersion == secret.dataVersion)
        secret.templateHash = "other"
        #expect(restarted.dataVersion != secret.dataVersion)
        secret.templateHash = nil
        #expect(restarted.dataVersion != secret.dataVersion)
    }

    @Test func reservesMemoryForWhatTemplatesRender() async throws {
        let keys = try FakeKeyManager()
        let value = ["a": String(repeating: "v", count: 100_000)]
        let plain = try DesiredSecret(try await makeWrappedSecret(by: keys, value))
        let templated = try DesiredSecret(
            try await makeWrappedSecret(
                by: keys, value, template: .init(data: ["k": "{{ .a }}{{ .a | json }}"])))
        #expect(Reconciler.requiredMemory(templated) >= Reconciler.requiredMemory(plain) + 6 * 700_000)
    }

    @Test func keepsOnlySmallTemplatesInTheCache() async throws {
        var object = try await makeWrappedSecret(by: FakeKeyManager(), template: .init(data: ["k": "small"]))
        func isAbridged() -> Bool {
            guard case .object(let cached) = CacheTransform.transformed(.object(object)) else {
                return true
            }
            return cached.isAbridged
        }
        #expect(!isAbridged())
        object.spec.template?.data = ["k": String(repeating: "x", count: 20_000)]
        #expect(isAbridged())
    }
}

/// What a user can do who may change a template in Git, and has neither the key nor access to Secrets.
@Suite struct TemplateWriterTests {
    private let path: [String] = ["spec", "template", "data"]

    /// A template has no name for anything but the entries of its own envelope.
    @Test(arguments: [
        "{{ .other }}", "{{ index . \"other\" }}", "{{ index . \"../other/db\" }}",
        "{{ index . \"vault/other\" }}",
        "{{ .metadata.namespace }}", "{{ .Release.Name }}", "{{ env \"SB_WRAP_MASTER_KEY\" }}",
        "{{ lookup \"v1\" \"Secret\" \"payments\" \"other\" }}", "{{ file \"/etc/passwd\" }}", "{{ . }}",
        "{{ $ }}",
        "{{ template \"other\" }}", "{{ define \"x\" }}", "{{ range . }}", "{{ fromSecret .password }}",
    ])
    func cannotReferToAnythingElse(template: String) async throws {
        let cluster = try await TestCluster.withWrappedSecret { $0[path] = ["app.conf": .string(template)] }
        cluster.server["\(TestCluster.secrets)/other"] = [
            "metadata": ["name": "other", "namespace": "payments"], "data": ["other": "Y2FuYXJ5LTI="],
        ]
        let run = await cluster.reconcile()
        #expect(run.requests == ["PATCH wrappedsecrets/db/status"])
        #expect(cluster.reason == "InvalidSpec")
        #expect(cluster.secret == nil)
        #expect(cluster.keys.unwrapCount == 0)
    }

    /// Values go into the data of the same Secret: names, labels, annotations, types and statuses are not rendered.
    @Test func cannotRenderValuesIntoMetadata() async throws {
        let cluster = try await TestCluster.withWrappedSecret { object in
            object[path] = ["app.conf": "{{ .password }}", "b": "{{ .password | base64 }}"]
            object[["spec", "template", "metadata", "annotations"]] = ["example.com/a": "{{ .password }}"]
            object[["spec", "template", "type"]] = "example.com/{{ .password }}"
        }
        _ = await cluster.reconcile()
        #expect(cluster.reason == "Synced")
        var secret = try #require(cluster.secret)
        #expect(secret[["metadata", "annotations", "example.com/a"]] == "{{ .password }}")
        #expect(secret["type"] == "example.com/{{ .password }}")
        secret["data"] = nil
        for text in ["\(secret)", "\(try #require(cluster.object))"] {
            #expect(!text.contains("canary"))
            #expect(!text.contains(Base64.encode("canary-1".utf8)))
        }
    }

    @Test func cannotRenderValuesIntoLabelsOrTheName() async throws {
        for field in [["metadata", "labels", "a"], ["metadata", "name"]] {
            let cluster = try await TestCluster.withWrappedSecret {
                $0[["spec", "template"] + field] = "{{ .password }}"
            }
            _ = await cluster.reconcile()
            #expect(cluster.reason == "InvalidSpec", "\(field)")
        }
    }

    /// All requests are about this WrappedSecret and its Secret.
    @Test func cannotWriteAnotherObject() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[path] = [
                "app.conf":
                    "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: default}\n---\n{{ .password }}"
            ]
        }
        _ = await cluster.reconcile()
        let paths = Set(
            cluster.transport.requests.map { $0.path.split(separator: "?").first.map(String.init) ?? "" })
        #expect(paths == [TestCluster.secrets, "\(TestCluster.objects)/db/status"])
    }

    /// The MAC covers the entries, and no template takes the name of one.
    @Test func cannotReplaceTheValueOfAnEntry() async throws {
        let cluster = try await TestCluster.withWrappedSecret {
            $0[path] = ["password": "chosen by the writer"]
        }
        _ = await cluster.reconcile()
        #expect(cluster.reason == "InvalidSpec")
        #expect(cluster.secret == nil)
    }

    /// An error says which filter failed, and nothing more of the value.
    @Test(arguments: ["canary-1", "canary-2-that-is-longer"])
    func learnsFromAnErrorOnlyThatAFilterDoesNotApply(value: String) async throws {
        let cluster = try TestCluster()
        try await cluster.apply(["password": value]) { $0[path] = ["k": "{{ .password | base64decode }}"] }
        _ = await cluster.reconcile()
        #expect(
            cluster.condition("Ready")?["message"]
                == .string(
                    "spec.template.data[k] line 1 column 1: base64decode of entry password: the value is not base64 (RFC 4648, "
                        + "padded); wrap a value that is, or remove the filter")
        )
    }
}
