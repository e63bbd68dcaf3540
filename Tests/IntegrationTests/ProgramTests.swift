import Foundation
import KubeClient
import Resources
import Testing

/// Runs the executable as in a pod.
@Suite(.onRealServers, .serialized)
struct ProgramTests {
    /// Starts `secrets-bridge controller` and waits until its caches are complete.
    private func start(_ namespace: TestNamespace, _ arguments: [String] = []) async throws -> Program {
        let program = try Program(
            try Settings.required().binary,
            [
                "controller", "--kubeconfig", namespace.cluster.kubeconfig, "--watch-namespace",
                namespace.name, "--metrics-address", "127.0.0.1:0",
            ] + arguments,
            environment: ["SB_WRAP_MASTER_KEY": namespace.masterKey])
        try await eventually("the controller has complete caches") {
            program.errors.contains("caches complete")
        }
        return program
    }

    /// Stops the program as Kubernetes does.
    private func stop(_ program: Program) async throws {
        program.signal(SIGTERM)
        let outcome = try await program.outcome()
        #expect(outcome.status == 0, "\(outcome.errors.suffix(2000))")
        #expect(outcome.output.isEmpty)
    }

    @Test func finishesRunningSyncsOnSIGTERM() async throws {
        try await TestNamespace.withShared { namespace in
            let count = 1000
            try await namespace.applyAll((0..<count).map { "db-\($0)" }) { $0 }
            let program = try await start(namespace)
            try await eventually("some are synced") {
                try await namespace.cluster.admin.list(
                    SecretMetadata.self,
                    Selection(
                        namespace: namespace.name, labelSelector: "\(OwnershipMetadata.managedLabel)=true")
                ).items.count >= 20
            }
            try await stop(program)
            #expect(program.errors.contains("stopped"))

            var unfinished: [String] = []
            var synced = 0
            let page = try await namespace.cluster.admin.list(
                WrappedSecret.self, Selection(namespace: namespace.name))
            for case .object(let object) in page.items {
                let isSynced = object.status?.condition(.ready)?.reason == "Synced"
                let secret = try await namespace.secret(object.metadata.name)
                if isSynced { synced += 1 }
                if isSynced != (secret != nil)
                    || secret?.metadata.resourceVersion != object.status?.secret?.resourceVersion
                {
                    unfinished.append(object.metadata.name)
                }
            }
            #expect(unfinished.isEmpty)
            #expect((20..<count).contains(synced), "the controller stopped during the syncs: \(synced)")
        }
    }

    /// The role of manifests/base/rbac.yaml suffices to create, update, correct drift and report.
    @Test func worksWithTheRoleOfTheManifests() async throws {
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, ["SB_WRAP_MASTER_KEY": namespace.masterKey]) {
                controller in
                try await namespace.apply("db", ["k": "1"])
                try await namespace.reconciled("db")
                try await namespace.apply("db", ["k": "2"])
                try await namespace.secret("db", until: "is updated") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"k":"other"}}"#)
                try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "2"] }
                try await namespace.kubectl("delete", "secret", "db")
                try await namespace.secret("db", until: "is back") { $0.values == ["k": "2"] }
                try await namespace.reconciled("db")
                try await namespace.kubectl("create", "secret", "generic", "foreign", "--from-literal=k=v")
                try await namespace.apply("foreign", ["k": "ours"])
                try await namespace.reconciled("foreign", .secretConflict)
                #expect(!controller.log.lowercased().contains("forbidden"))
            }
        }
    }

    /// wrap, commit, kubectl apply: the Secret exists, and kubectl diff shows nothing for the synced object.
    @Test func showsNoDiffAfterASync() async throws {
        try await TestNamespace.withShared { namespace in
            let manifest = """
                apiVersion: v1
                kind: Secret
                metadata:
                  name: db
                  labels: {team: payments}
                  annotations: {example.org/contact: me}
                type: Opaque
                data:
                  password: aHVudGVyMg==
                stringData:
                  user: admin
                """
            let wrapped = try await cli(namespace, ["wrap", "-n", namespace.name], input: manifest)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            let file = Data(wrapped.output.utf8)
            try await namespace.kubectl("apply", "-f", "-", input: file)
            let program = try await start(namespace)
            try await namespace.reconciled("db")
            let secret = try #require(try await namespace.secret("db"))
            #expect(secret.values == ["user": "admin", "password": "hunter2"])
            #expect(secret.metadata.labels?["team"] == "payments")
            // kubectl diff exits with 1 if there is a difference.
            let diff = try await namespace.cluster.tryKubectl("diff", "-f", "-", input: file)
            #expect(diff.status == 0, "\(diff.output)\(diff.errors)")
            let serverSide = try await namespace.cluster.tryKubectl(
                "diff", "--server-side", "--force-conflicts", "--validate=ignore", "-f", "-", input: file)
            #expect(!serverSide.output.contains("\n+  s"), "\(serverSide.output)")
            try await stop(program)

            let unwrapped = try await cli(namespace, ["unwrap"], input: wrapped.output)
            #expect(unwrapped.status == 0, "\(unwrapped.errors)")
            #expect(unwrapped.output.contains("aHVudGVyMg=="))
        }
    }

    private func cli(
        _ namespace: TestNamespace, _ arguments: [String], input: String = ""
    ) async throws -> Program.Outcome {
        try await Program(
            try Settings.required().binary, arguments,
            environment: ["SB_WRAP_MASTER_KEY": namespace.masterKey],
            input: Data(input.utf8)
        ).outcome()
    }

    /// Logs at trace level, errors, events and statuses contain no plaintext after any failure.
    @Test func logsNoPlaintext() async throws {
        try await TestNamespace.withShared { namespace in
            let canary = "canary-\(UUID().uuidString)"
            let program = try await start(namespace, ["--log-level", "trace"])
            let literal = try await cli(
                namespace,
                [
                    "wrap", "-n", namespace.name, "--name", "db", "--from-literal", "k=\(canary)",
                    "--from-literal", "n=1",
                ])
            try await namespace.kubectl("apply", "-f", "-", input: Data(literal.output.utf8))
            try await namespace.reconciled("db")
            #expect(try await namespace.secret("db")?.values["k"] == canary)

            // The API server refuses the Secret, or the Secret has another owner, after the value was decrypted.
            try await namespace.apply("typed", ["k": canary])
            try await namespace.reconciled("typed")
            try await namespace.apply(
                try await namespace.wrap("typed", ["k": canary], template: .init(type: "example.org/other")))
            try await namespace.reconciled("typed", .secretTypeChanged)
            try await namespace.apply(
                try await namespace.wrap("fixed", ["k": canary], template: .init(immutable: true)))
            try await namespace.reconciled("fixed")
            try await namespace.apply(
                try await namespace.wrap("fixed", ["k": canary + "2"], template: .init(immutable: true)))
            try await namespace.reconciled("fixed", .immutableSecret)
            try await namespace.kubectl("create", "secret", "generic", "foreign", "--from-literal=k=v")
            try await namespace.apply("foreign", ["k": canary])
            try await namespace.reconciled("foreign", .secretConflict)
            // The quota of the namespace is exhausted.
            try await namespace.kubectl("create", "quota", "full", "--hard=count/secrets=1")
            try await namespace.apply("too-many", ["k": canary])
            // Not every control plane has a quota controller, so any outcome is accepted.
            try await eventually("too-many is settled") {
                try await namespace.wrappedSecret("too-many").status?.condition(.ready) != nil
            }
            // The WrappedSecret is corrupted.
            var damaged = try await namespace.wrap("damaged", ["k": canary])
            damaged.spec.mac = String(repeating: "A", count: 43) + "="
            try await namespace.apply(damaged)
            try await namespace.reconciled("damaged", .integrityFailed)
            try await namespace.kubectl("delete", "secret", "db")
            try await namespace.secret("db", until: "is back") { $0.values["k"] == canary }
            let pages = try StatusClient(log: program.errors)
            let metrics = try await pages.metrics()
            let health = try await pages.get("/readyz").text + pages.get("/healthz").text
            try await stop(program)

            var texts = [
                ("log", program.errors), ("metrics", metrics), ("health", health),
                ("events", try await namespace.kubectl("get", "events", "-o", "json")),
                (
                    "objects",
                    try await namespace.kubectl("get", "wsec", "-o", "json", "--show-managed-fields")
                ),
                ("wrap", literal.output + literal.errors),
            ]
            texts += try await failures(namespace, canary)
            let forms = SecretForms(canary)
            for (source, text) in texts {
                #expect(!forms.found(in: text), "\(source) has the plaintext: \(text)")
            }
            #expect(!program.errors.contains(namespace.masterKey))
            #expect(!metrics.contains(namespace.masterKey))
        }
    }

    /// Returns the output of commands that fail while they hold the plaintext.
    private func failures(_ namespace: TestNamespace, _ canary: String) async throws -> [(String, String)] {
        let encoded = Data(canary.utf8).base64EncodedString()
        func secret(_ body: String) -> String {
            "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n\(body)\n"
        }
        let inputs = [
            secret("data: {k: \(canary)}"), secret("data: {k: \(encoded)=}"),
            secret("stringData: {k: \(canary), k: b}"),
            secret("stringData: {k: [\(canary)]}"), secret("stringData: \(canary)"),
            secret("stringData: {'a/b': \(canary)}"),
            secret("stringData:\n  k: \"\(canary)"), canary, "{\"\(canary)",
            secret("type: kubernetes.io/tls\nstringData: {k: \(canary)}"),
            secret("unknown: {k: \(canary)}"), secret("stringData: {k: *\(canary)}"),
            secret("stringData: {k: !!binary \(canary)}"),
        ]
        var texts: [(String, String)] = []
        for input in inputs {
            let outcome = try await cli(namespace, ["wrap", "-n", namespace.name], input: input)
            #expect(outcome.status == 1, "\(input)")
            #expect(outcome.output.isEmpty, "\(input)")
            texts.append((input.replacing(canary, with: "CANARY"), outcome.errors))
        }
        let twice = try await cli(
            namespace,
            [
                "wrap", "-n", namespace.name, "--name", "db", "--from-literal", "k=\(canary)",
                "--from-literal", "k=\(canary)",
            ])
        #expect(twice.status == 1)
        texts.append(("a literal given twice", twice.errors))
        return texts
    }
}
