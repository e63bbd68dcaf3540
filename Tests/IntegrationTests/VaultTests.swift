import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import Testing

/// `vault-transit` with a real OpenBao that authenticates through the real API server.
@Suite(.onRealServers, .dedicatedOpenBao, .serialized)
struct VaultTests {
    private let keyID = "vault-transit:transit/sb-wrap"

    /// Runs the controller in a new namespace, with only its service account.
    private func withController(
        _ body: (TestNamespace, ControllerProgram, OpenBao) async throws -> Void
    ) async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.podSettings()
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, settings) { controller in
                try await body(namespace, controller, bao)
            }
        }
    }

    private func cli(_ arguments: [String], _ settings: [String: String], input: String) async throws
        -> Program.Outcome
    {
        try await Program(
            try Settings.required().binary, arguments, environment: settings, input: Data(input.utf8)
        ).outcome()
    }

    @Test func opensWhatADeveloperWrappedWithAServiceAccountToken() async throws {
        try await withController { namespace, controller, bao in
            let developer = try await bao.settings(token: "developer")
            let wrapped = try await cli(
                [
                    "wrap", "-n", namespace.name, "--name", "db", "--from-literal", "password=hunter2",
                ], developer, input: "")
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            try await namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
            let object = try await namespace.reconciled("db")
            #expect(try await namespace.secret("db")?.values == ["password": "hunter2"])
            #expect(object.status?.keyID == keyID)
            #expect(object.status?.keyVersion == "1")

            // The developer can wrap and not unwrap; the message names the missing permission.
            let refused = try await cli(["unwrap"], developer, input: wrapped.output)
            #expect(refused.status == 1)
            #expect(refused.output.isEmpty)
            #expect(
                refused.errors.contains(#"path "transit/decrypt/sb-wrap" { capabilities = ["update"] }"#),
                "\(refused.errors)")
            let reader = try await bao.settings(token: "controller")
            #expect(try await cli(["unwrap"], reader, input: wrapped.output).status == 0)
            // The controller can unwrap and not wrap.
            let denied = try await cli(
                ["wrap", "-n", namespace.name, "--name", "x", "--from-literal", "k=v"], reader, input: "")
            #expect(denied.status == 1)
            #expect(denied.errors.contains(#"path "transit/datakey/plaintext/sb-wrap""#), "\(denied.errors)")

            try await eventually("the key is logged") {
                try controller.kmsLogLines().contains {
                    $0 == .init(level: "info", msg: "keymgmt backend ready", keyID: keyID)
                }
            }
        }
    }

    @Test func vaultRefusesACopyInAnotherNamespace() async throws {
        try await withController { namespace, _, bao in
            var stolen = try await Manifest(
                "db", in: "elsewhere", ["k": "v"], with: try await bao.key("developer"))
            stolen.metadata.namespace = namespace.name
            try await namespace.apply(stolen)
            try await namespace.reconciled("db", .decryptFailed)
            #expect(try await namespace.secret("db") == nil)
        }
    }

    @Test func opensOldAndNewVersionsOfARotatedKey() async throws {
        try await withController { namespace, _, bao in
            let developer = try await bao.key("developer")
            func wrappedKey(_ manifest: Manifest) -> String { manifest.spec.recipients[0].wrappedKey }
            let first = try await namespace.wrap("first", ["k": "1"], with: developer)
            try await namespace.apply(first)
            let old = try #require(try await namespace.reconciled("first").status?.keyVersion)
            #expect(wrappedKey(first).hasPrefix("vault:v\(old):"))

            try await bao.bao("write", "-f", "transit/keys/sb-wrap/rotate")
            let next = try #require(Int(old)) + 1
            let updated = try await namespace.wrap("db", ["k": "2"], with: developer)
            #expect(wrappedKey(updated).hasPrefix("vault:v\(next):"))
            try await namespace.apply(updated)
            #expect(try await namespace.reconciled("db").status?.keyVersion == "\(next)")
            try await namespace.kubectl("delete", "secret", "first")
            try await namespace.secret("first", until: "is restored with the old version") {
                $0.values == ["k": "1"]
            }

            // The rotator rewraps without access to the data key or the values.
            let place = try Binding(scope: .strict, namespace: namespace.name, secretName: "first")
            let moved = try await bao.key("rotator").rewrap(
                Recipient(keyID: keyID, wrappedKey: wrappedKey(first)), for: place)
            #expect(moved.wrappedKey.hasPrefix("vault:v\(next):"))
            var rewrapped = first
            rewrapped.spec.recipients[0].wrappedKey = moved.wrappedKey
            try await namespace.apply(rewrapped)
            #expect(try await namespace.reconciled("first").status?.keyVersion == "\(next)")
            #expect(rewrapped.spec.mac == first.spec.mac)

            // An object that was not rewrapped is reported when the old version is disabled, and its Secret stays.
            try await namespace.apply("late", ["k": "3"], with: developer)
            try await namespace.reconciled("late")
            try await bao.bao("write", "-f", "transit/keys/sb-wrap/rotate")
            try await bao.bao(
                "write", "transit/keys/sb-wrap/config", "min_decryption_version=\(next + 1)")
            try await namespace.kubectl("patch", "secret", "late", "-p", #"{"stringData":{"other":"v"}}"#)
            let refused = try await namespace.reconciled("late", .keyUnavailable)
            let message = refused.status?.condition(.ready)?.message ?? ""
            #expect(message.contains("min_decryption_version"), "\(message)")
            #expect(message.contains("vault-transit:transit/sb-wrap"), "\(message)")
            #expect(try await namespace.secret("late")?.values["k"] == "3")
            try await bao.bao("write", "transit/keys/sb-wrap/config", "min_decryption_version=1")
            try await namespace.secret("late", until: "is repaired") { $0.values == ["k": "3"] }
        }
    }

    @Test func replacesARevokedTokenByALogin() async throws {
        try await withController { namespace, controller, bao in
            let developer = try await bao.key("developer")
            try await namespace.apply("db", ["k": "1"], with: developer)
            try await namespace.reconciled("db")
            let logins = try bao.requests("auth/kubernetes/login")
            try await bao.bao("token", "revoke", "-mode=path", "auth/kubernetes/")
            try await namespace.apply("db", ["k": "2"], with: developer)
            try await namespace.secret("db", until: "has the new value") { $0.values == ["k": "2"] }
            #expect(try bao.requests("auth/kubernetes/login") == logins + 1)
            #expect(!controller.log.contains("UnwrapDenied"))
        }
    }

    @Test func syncsAThousandWithAtMostTwentyDecryptRequests() async throws {
        let bao = try DedicatedOpenBao.required()
        let settings = try await bao.podSettings()
        try await TestNamespace.withShared { namespace in
            let count = 1000
            try await namespace.applyAll(
                (0..<count).map { "db-\($0)" }, with: try await bao.key("developer")
            ) { "value of \($0)" }
            let before = try bao.auditEntries()
            try await ControllerProgram.with(namespace, settings) { controller in
                try await eventually("all are synced", within: .seconds(240)) {
                    try await namespace.syncedCount() == count
                }
                let status = try controller.status()
                let labels = #"{backend="vault-transit",operation="unwrap"}"#
                try await eventually("the metrics match the audit log") {
                    try await status.metric("secretsbridge_kms_requests_total\(labels)")
                        == Double(try bao.requests("transit/decrypt/sb-wrap", from: before))
                }
                // One of them is from the self-test.
                #expect(
                    try await status.metric("secretsbridge_kms_items_total\(labels)") == Double(count + 1))
            }
            // One of them is from the self-test.
            let requests = try bao.requests("transit/decrypt/sb-wrap", from: before) - 1
            print("1,000 WrappedSecrets: \(requests) decrypt requests")
            #expect(requests <= 20)
        }
    }

    @Test func isCompatibleWithAnIndependentClient() async throws {
        try await withController { namespace, _, bao in
            let manifest = try await IndependentClient(
                environment: try await bao.clientEnvironment(token: "developer")
            ).run(
                "make", namespace.name, "theirs", "password=hünter2", "empty=")
            try await namespace.kubectl("apply", "-f", "-", input: Data(manifest.utf8))
            try await namespace.reconciled("theirs")
            #expect(try await namespace.secret("theirs")?.values == ["password": "hünter2", "empty": ""])

            let wrapped = try await cli(
                [
                    "wrap", "-n", namespace.name, "--name", "ours", "--from-literal", "password=hünter2",
                    "-o", "json",
                ], try await bao.settings(token: "developer"), input: "")
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            let opened = try await IndependentClient(
                environment: try await bao.clientEnvironment(token: "controller")
            ).run("open", input: wrapped.output)
            #expect(
                try JSONDecoder().decode([String: String].self, from: Data(opened.utf8))
                    == ["password": "hünter2"])
        }
    }
}
