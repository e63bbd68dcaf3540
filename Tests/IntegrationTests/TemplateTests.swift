import Controller
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// `spec.template.data` on a real API server: rendered keys are managed as entries are.
@Suite(.onRealServers, .serialized)
struct TemplateTests {
    private let conf = "[db]\nurl = postgres://{{ .user }}@db/\npassword = {{ .password | quote }}\n"
    private let values = ["user": "app", "password": "canary \"7f3a\""]
    private let renderedConf = "[db]\nurl = postgres://app@db/\npassword = \"canary \\\"7f3a\\\"\"\n"

    private func manifest(
        _ namespace: TestNamespace, _ templates: [String: String]
    ) async throws -> Manifest {
        try await namespace.wrap("db", values, template: .init(data: templates))
    }

    private func expected(_ rendered: [String: String]) -> [String: String] {
        values.merging(rendered) { first, _ in first }
    }

    @Test func rendersChangesRepairsAndRemovesKeys() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var manifest = try await manifest(namespace, ["app.conf": conf])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == expected(["app.conf": renderedConf]))

                // Another template, with the same envelope.
                manifest.spec.template?.data = ["app.conf": "{{ .user }}", "b64": "{{ .password | base64 }}"]
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let changed = expected([
                    "app.conf": "app", "b64": Data((values["password"] ?? "").utf8).base64EncodedString(),
                ])
                #expect(try await namespace.secret("db")?.values == changed)

                for patch in [#"{"stringData":{"app.conf":"other"}}"#, #"{"data":{"b64":null}}"#] {
                    try await controller.catchUp(namespace)
                    try await namespace.kubectl("patch", "secret", "db", "-p", patch)
                    try await namespace.secret("db", until: "is repaired after \(patch)") {
                        $0.values == changed
                    }
                }

                try await controller.catchUp(namespace)
                let unwraps = controller.key.unwraps(of: "db")
                manifest.spec.template?.metadata = .init(labels: ["team": "a"])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                #expect(controller.key.unwraps(of: "db") == unwraps)
                #expect(try await namespace.secret("db")?.values == changed)

                manifest.spec.template?.data = ["b64": "x"]
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == expected(["b64": "x"]))
                manifest.spec.template?.data = nil
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == values)
            }
            try await RunningController.with(namespace) { controller in
                try await controller.catchUp(namespace)
                #expect(controller.key.unwraps(of: "db") == 0)
            }
        }
    }

    /// The old Secret stays, and the message has the place and no value.
    @Test(arguments: [
        ("a\n  {{ .passwrod }}", "spec.template.data[app.conf] line 2 column 3: there is no entry passwrod"),
        (
            "{{ .password | upper }}",
            "spec.template.data[app.conf] line 1 column 16: there is no filter upper"
        ),
        (
            "{{ .password | base64decode }}",
            "spec.template.data[app.conf] line 1 column 1: base64decode of entry password"
        ),
    ])
    func reportsMistakesAndKeepsTheSecret(template: String, message: String) async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var manifest = try await manifest(namespace, ["app.conf": conf])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let before = try #require(try await namespace.secret("db"))
                manifest.spec.template?.data = ["app.conf": template]
                try await namespace.apply(manifest)
                let object = try await namespace.reconciled("db", .invalidSpec)
                let found = object.status?.condition(.ready)?.message ?? ""
                #expect(found.hasPrefix(message), "\(found)")
                #expect(!found.contains("canary"))
                let after = try #require(try await namespace.secret("db"))
                #expect(after.values == before.values)
                #expect(after.metadata.resourceVersion == before.metadata.resourceVersion)
                #expect(!controller.log.lines.contains { $0.contains("canary") })

                manifest.spec.template?.data = ["app.conf": "{{ .user }}"]
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == expected(["app.conf": "app"]))
            }
        }
    }

    @Test func mergesRenderedKeysIntoTheSecretOfAnotherWriter() async throws {
        try await TestNamespace.withShared { namespace in
            let target = """
                {"apiVersion": "v1", "kind": "Secret",
                 "metadata": {"name": "app", "annotations": {"\(OwnershipMetadata.allowAnnotation)": "merge"}},
                 "stringData": {"theirs": "1"}}
                """
            try await namespace.kubectl("create", "-f", "-", input: Data(target.utf8))
            try await RunningController.with(namespace) { controller in
                var manifest = try await namespace.wrap(
                    "db", ["ours": "2"],
                    template: .init(
                        metadata: .init(name: "app"), data: ["conf": "a={{ .ours }}", "more": "b"]))
                manifest.spec.creationPolicy = "Merge"
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let merged = ["theirs": "1", "ours": "2", "conf": "a=2", "more": "b"]
                #expect(try await namespace.secret("app")?.values == merged)
                try await controller.catchUp(namespace)
                try await namespace.kubectl("patch", "secret", "app", "-p", #"{"stringData":{"conf":"x"}}"#)
                try await namespace.secret("app", until: "is repaired") { $0.values == merged }
                manifest.spec.template?.data = nil
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                let values = try await namespace.secret("app")?.values
                #expect(values == ["theirs": "1", "ours": "2"], "\(values ?? [:])")
            }
        }
    }

    /// Rendered values are in the data of this Secret and nowhere else in the cluster: not in another object of the
    /// namespace, not in metadata, events or statuses.
    @Test func putsValuesNowhereButIntoTheDataOfTheSecret() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { controller in
                var manifest = try await manifest(
                    namespace,
                    [
                        "app.conf":
                            "kind: ConfigMap\nmetadata: {name: other, namespace: default}\n---\n{{ .password }}"
                    ])
                manifest.spec.template?.metadata = .init(annotations: ["example.org/note": "{{ .password }}"])
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                try await controller.catchUp(namespace)
                let kinds = "secrets,configmaps,events,wrappedsecrets.secrets-bridge.io"
                let objects = try AnyJSON(
                    Array(
                        try await namespace.kubectl("get", kinds, "-o", "json", "--show-managed-fields").utf8)
                )
                for var object in objects["items"]?.items ?? [] {
                    let isTheSecret = object["kind"] == "Secret" && object[["metadata", "name"]] == "db"
                    if isTheSecret {
                        #expect(object[["metadata", "annotations", "example.org/note"]] == "{{ .password }}")
                        object["data"] = nil
                    }
                    #expect(!"\(object)".contains("canary"))
                    #expect(!"\(object)".contains("Y2FuYXJ5"))
                }
                #expect(!controller.log.lines.contains { $0.contains("canary") })
            }
        }
    }

    @Test func restartsWorkloadsAfterAChangeOfTheTemplates() async throws {
        try await TestNamespace.withShared { namespace in
            let workload = """
                {"apiVersion": "apps/v1", "kind": "Deployment",
                 "metadata": {"name": "api", "annotations": {"\(OwnershipMetadata.allowRestartAnnotation)": "db"}},
                 "spec": {"selector": {"matchLabels": {"app": "api"}},
                   "template": {"metadata": {"labels": {"app": "api"}},
                     "spec": {"containers": [{"name": "main", "image": "example.org/none"}]}}}}
                """
            try await namespace.kubectl("create", "-f", "-", input: Data(workload.utf8))
            try await RunningController.with(namespace) { _ in
                var manifest = try await manifest(namespace, ["app.conf": conf])
                manifest.spec.rolloutRestart = [.init(kind: "Deployment", name: "api")]
                try await namespace.apply(manifest)
                try await namespace.reconciled("db")
                manifest.spec.template?.data = ["app.conf": "{{ .user }}"]
                try await namespace.apply(manifest)
                try await eventually("the Deployment is restarted") {
                    try await namespace.kubectl(
                        "get", "deployment/api", "-o", "jsonpath={.metadata.generation}") == "2"
                }
            }
        }
    }
}
