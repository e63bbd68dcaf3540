import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import Settings
import TestSupport
import Testing

/// A controller that holds a token of OpenBao, a master key, data keys and values has them nowhere but where they are used.
@Suite(.onRealServers, .dedicatedOpenBao, .serialized)
struct VaultHygieneTests {
    private let canary = "canary-\(UUID().uuidString)"
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A controller with the backends `vault-transit` and `local`, at level trace, and what it must not disclose.
    private struct Run {
        let namespace: TestNamespace
        let controller: ControllerProgram
        let developer: any KeyManager
        let reader: any KeyManager
        let token: String

        /// Returns the data key of a manifest.
        func dataKey(of manifest: Manifest) async throws -> SharedSecret {
            let recipient = manifest.spec.recipients[0]
            let binding = try Binding(
                scope: .strict, namespace: manifest.metadata.namespace, secretName: manifest.metadata.name)
            let key: any KeyManager = recipient.keyID.hasPrefix("local:") ? namespace.key : reader
            return try await key.unwrap(
                Recipient(keyID: recipient.keyID, wrappedKey: recipient.wrappedKey), for: binding
            ).key
        }
    }

    private func withController(
        credentialPlugin: String? = nil, _ more: [String: String] = [:], _ body: (Run) async throws -> Void
    ) async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.settings(token: "controller")
        try await TestNamespace.withShared { namespace in
            let environment = settings.merging(more) { $1 }.merging([
                "SB_KMS_BACKEND": "vault-transit,local", "SB_WRAP_MASTER_KEY": namespace.masterKey,
            ]) { $1 }
            try await ControllerProgram.with(
                namespace, environment, ["--log-level", "trace"], credentialPlugin: credentialPlugin
            ) { controller in
                try await body(
                    Run(
                        namespace: namespace, controller: controller,
                        developer: try await bao.key("developer"),
                        reader: try KeyRing.load(from: Environment(settings)).primary,
                        token: try #require(settings["SB_KMS_VAULT_TOKEN"])))
            }
        }
    }

    /// Syncs a Secret with each backend, and has syncs fail before and after the values are decrypted.
    ///
    /// - Returns: the data keys.
    private func syncAndFail(_ run: Run) async throws -> [SharedSecret] {
        let namespace = run.namespace
        let manifests = [
            try await namespace.wrap("vault", ["k": canary], with: run.developer),
            try await namespace.wrap("local", ["k": canary]),
        ]
        for manifest in manifests {
            try await namespace.apply(manifest)
            try await namespace.reconciled(manifest.metadata.name)
            #expect(try await namespace.secret(manifest.metadata.name)?.values["k"] == canary)
        }
        var damaged = try await namespace.wrap("damaged", ["k": canary], with: run.developer)
        damaged.spec.mac = String(repeating: "A", count: 43) + "="
        try await namespace.apply(damaged)
        try await namespace.reconciled("damaged", .integrityFailed)
        try await namespace.kubectl("create", "secret", "generic", "foreign", "--from-literal=k=v")
        let foreign = try await namespace.wrap("foreign", ["k": canary], with: run.developer)
        try await namespace.apply(foreign)
        try await namespace.reconciled("foreign", .secretConflict)
        // The API server refuses it after the value was decrypted.
        let refused = try await namespace.wrap(
            "refused", ["k": canary], template: .init(type: "kubernetes.io/dockerconfigjson"),
            with: run.developer)
        try await namespace.apply(refused)
        try await eventually("the Secret is refused") {
            try await namespace.wrappedSecret("refused").status?.condition(.ready) != nil
        }
        var keys: [SharedSecret] = []
        for manifest in manifests + [damaged, foreign, refused] {
            keys.append(try await run.dataKey(of: manifest))
        }
        return keys
    }

    @Test func secretsAreNowhereButInTheSecret() async throws {
        let programs = try StartedPrograms()
        let plugin = try programs.script(
            "plugin",
            """
            printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}' \
            "$(cat "$1")"
            """)
        let places = ["HOME": folder.path("home"), "TMPDIR": folder.path("tmp")]
        for place in places.values { try folder.write("\(place.dropFirst(folder.path.count + 1))/.keep", "") }
        try await withController(credentialPlugin: plugin, programs.environment.merging(places) { $1 }) {
            run in
            let keys = try await syncAndFail(run)
            let namespace = run.namespace
            let pages = try run.controller.status()
            var texts: [(String, Data)] = [
                ("the log", Data(run.controller.log.utf8)),
                ("the metrics", Data(try await pages.metrics().utf8)),
                (
                    "the health pages",
                    Data(try await (pages.get("/readyz").text + pages.get("/healthz").text).utf8)
                ),
                ("the credential plugin", programs.records("plugin")),
                (
                    "the arguments",
                    try Data(contentsOf: URL(filePath: "/proc/\(run.controller.program.pid)/cmdline"))
                ),
                ("the temporary files", Data(try files().utf8)),
            ]
            for kind in [
                "events", "wrappedsecrets.secrets-bridge.io", "configmaps", "leases.coordination.k8s.io",
            ] {
                let objects = try await namespace.kubectl("get", kind, "-o", "json", "--show-managed-fields")
                texts.append((kind, Data(objects.utf8)))
            }
            if getuid() == 0 {
                let environment = URL(filePath: "/proc/\(run.controller.program.pid)/environ")
                texts.append(("the environment", try Data(contentsOf: environment)))
            }
            let secrets =
                [("a value", SecretForms(canary)), ("the token", SecretForms(run.token))]
                + [("the master key", SecretForms(namespace.masterKey))]
                + [
                    (
                        "the decoded master key",
                        SecretForms(Data(base64Encoded: namespace.masterKey) ?? Data())
                    )
                ]
                + keys.map { ("a data key", SecretForms($0.bytes.revealed())) }
            for (source, text) in texts {
                for (secret, forms) in secrets {
                    #expect(!forms.found(in: text), "\(secret) is in \(source)")
                }
            }
            #expect(run.controller.log.contains("audit: unwrap of a data key"))
            #expect(programs.records("plugin").hasVariable("PATH="))
            #expect(try files() == "home/.keep\ntmp/.keep\n", "the controller wrote a file")
        }
    }

    private func files() throws -> String {
        let names = FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? []
        return names.filter { $0.contains("/") }.sorted().map { "\($0)\n" }.joined()
    }

    /// What is left in memory once all is synced. Only root can read it.
    @Test(.enabled(if: getuid() == 0, "only root can read the memory of the controller"))
    func memoryHasNoValueAndNoDataKeyAfterASync() async throws {
        try await withController { run in
            // The end of a long value, which shorter requests do not overwrite in the buffers of libraries.
            let long = String(repeating: "x", count: 6000) + canary
            let manifests = [
                try await run.namespace.wrap("vault", ["k": long], with: run.developer),
                try await run.namespace.wrap("local", ["k": long]),
            ]
            for manifest in manifests {
                try await run.namespace.apply(manifest)
                try await run.namespace.reconciled(manifest.metadata.name)
            }
            let memory = ProcessMemory(of: run.controller.program.pid)
            func copies(_ bytes: some Collection<UInt8>) throws -> [String] {
                try memory.copies(of: SharedSecret(copying: bytes))
            }
            #expect(try copies(canary.utf8).isEmpty)
            // nghttp2 keeps the end of the last large request for as long as the connection.
            let encoded = Data(long.utf8).base64EncodedString().suffix(60)
            #expect(try copies(encoded.utf8).count <= 2)
            for manifest in manifests {
                let key = try await run.dataKey(of: manifest)
                #expect(try memory.copies(of: key).isEmpty, "\(manifest.metadata.name)")
                // libcurl keeps the last response of OpenBao; OpenSSL has zeroed its buffer.
                let isReceived = manifest.metadata.name == "vault"
                let copies = try copies(Base64.encode(key.bytes.revealed()).utf8)
                #expect(copies.count <= (isReceived ? 1 : 0), "\(manifest.metadata.name): \(copies)")
            }
            let master = Data(base64Encoded: run.namespace.masterKey) ?? Data()
            #expect(try copies(master).count == 1, "the key manager's own")
            #expect(try copies(run.namespace.masterKey.utf8).isEmpty, "the variable")
        }
    }
}
