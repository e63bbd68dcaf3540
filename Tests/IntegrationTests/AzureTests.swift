import Envelope
import Foundation
import KMS
import Resources
import TestSupport
import Testing

@testable import KubeClient

/// `azure-key-vault` with Azure on loopback, which verifies the tokens of the real API server.
@Suite(.onRealServers, .enabled(if: AzureServer.isAvailable), .serialized)
struct AzureTests {
    /// Runs the controller in a new namespace, with the environment that AKS gives to its service account.
    private func withController(
        _ body: (TestNamespace, ControllerProgram, ClusterVault) async throws -> Void
    ) async throws {
        let vault = try await ClusterVault()
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, vault.podSettings) { controller in
                try await body(namespace, controller, vault)
            }
        }
    }

    private func cli(_ arguments: [String], _ settings: [String: String], input: String = "") async throws
        -> Program.Outcome
    {
        try await Program(
            try Settings.required().binary, arguments, environment: settings, input: Data(input.utf8)
        ).outcome()
    }

    @Test func opensWhatADeveloperWrappedWithAServiceAccountToken() async throws {
        try await withController { namespace, controller, vault in
            let wrapped = try await cli(
                ["wrap", "-n", namespace.name, "--name", "db", "--from-literal", "password=hunter2"],
                vault.developerSettings)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            try await namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
            let object = try await namespace.reconciled("db")
            #expect(try await namespace.secret("db")?.values == ["password": "hunter2"])
            // The WrappedSecret has the version of the key although the settings have none.
            #expect(object.status?.keyID == vault.vault.keyID)
            #expect(object.status?.keyVersion == String(vault.vault.kid.suffix(32)))

            let refused = try await cli(["unwrap"], vault.developerSettings, input: wrapped.output)
            #expect(refused.status == 1)
            #expect(refused.output.isEmpty)
            #expect(
                refused.errors.contains("Microsoft.KeyVault/vaults/keys/unwrap/action"), "\(refused.errors)")

            try await eventually("the key is logged") {
                try controller.kmsLogLines().contains { $0.msg == "keymgmt backend ready" }
            }
        }
    }

    @Test func sendsOneRequestForAChangeAndNoneAtARestart() async throws {
        let vault = try await ClusterVault()
        try await TestNamespace.withShared { namespace in
            let developer = try vault.developer()
            func unwraps(_ body: () async throws -> Void) async throws -> Int {
                var counted = 0
                try await ControllerProgram.with(namespace, vault.podSettings) { controller in
                    try await eventually("the self-test is logged") { try !controller.kmsLogLines().isEmpty }
                    let before = try await vault.requests("unwrapKey")
                    try await body()
                    counted = try await vault.requests("unwrapKey") - before
                }
                return counted
            }
            let names = (0..<30).map { "db-\($0)" }
            let first = try await unwraps {
                try await namespace.applyAll(names, with: developer) { $0 }
                try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
                try await namespace.kubectl("delete", "secret", "db-0")
                try await namespace.secret("db-0", until: "is restored") { $0.values == ["k": "db-0"] }
                try await namespace.reconciled("db-0")
            }
            #expect(first == names.count + 1)
            let second = try await unwraps {
                // This object is behind all others in the queue.
                try await namespace.apply("last", ["k": "v"], with: developer)
                try await namespace.reconciled("last")
            }
            #expect(second == 1)
        }
    }

    /// Azure does not see the binding and unwraps the data key. The MAC fails.
    @Test func aCopyInAnotherNamespaceIsNotOpened() async throws {
        try await withController { namespace, _, vault in
            var stolen = try await Manifest("db", in: "elsewhere", ["k": "v"], with: try vault.developer())
            stolen.metadata.namespace = namespace.name
            try await namespace.apply(stolen)
            try await namespace.reconciled("db", .integrityFailed)
            #expect(try await namespace.secret("db") == nil)
        }
    }

    @Test func theKeyOfAnotherVaultCausesNoRequest() async throws {
        let other = try await ClusterVault()
        try await withController { namespace, controller, vault in
            try await eventually("the self-test is logged") { try !controller.kmsLogLines().isEmpty }
            let (ours, theirs) = (
                try await vault.requests("unwrapKey"), try await other.requests("unwrapKey")
            )
            try await namespace.apply("db", ["k": "v"], with: try other.developer())
            try await namespace.reconciled("db", .noUsableRecipient)
            #expect(try await vault.requests("unwrapKey") == ours)
            #expect(try await other.requests("unwrapKey") == theirs)
        }
    }

    @Test func keepsTheSecretWhileTheVersionIsDisabledAndRecovers() async throws {
        try await withController { namespace, _, vault in
            try await namespace.apply("db", ["k": "v"], with: try vault.developer())
            try await namespace.reconciled("db")
            try await vault.vault.setEnabled(false)
            try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
            let message = try await namespace.reconciled("db", .keyUnavailable).status?.condition(.ready)?
                .message
            #expect(message?.contains("disabled") == true, "\(message ?? "")")
            #expect(message?.contains(vault.vault.kid) == true, "\(message ?? "")")
            #expect(try await namespace.secret("db")?.values["k"] == "v")
            try await vault.vault.setEnabled(true)
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "v"] }
        }
    }

    @Test func opensOldVersionsAndRewrapsToTheNewest() async throws {
        try await withController { namespace, _, vault in
            let first = try await namespace.wrap("first", ["k": "1"], with: try vault.developer())
            #expect(first.spec.recipients[0].keyID == vault.vault.keyID)
            let new = "azure-key-vault:" + (try await vault.vault.rotate())
            try await namespace.apply(first)
            #expect(try await namespace.reconciled("first").status?.keyID == vault.vault.keyID)
            try await namespace.apply("second", ["k": "2"], with: try vault.developer())
            #expect(try await namespace.reconciled("second").status?.keyID == new)

            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let file = try folder.write("first.json", first.json())
            let rotator = try await vault.settings(allowing: ["wrapKey", "unwrapKey"])
            let moved = try await cli(["rewrap", file], rotator)
            #expect(moved.status == 0, "\(moved.errors)")
            try await namespace.kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
            try await eventually("the new version serves") {
                try await namespace.reconciled("first").status?.keyID == new
            }
            #expect(try await namespace.secret("first")?.values == ["k": "1"])
            let again = try await cli(["rewrap", file], rotator)
            #expect(again.status == 0, "\(again.errors)")
            #expect(try folder.read("first.json").contains(new))
        }
    }

    @Test func replacesExpiringTokensAndReadsARotatedFile() async throws {
        try await withController { namespace, controller, vault in
            let developer = try vault.developer()
            try await vault.vault.server.command("lifetime", ["seconds": 4])
            // Until now the controller has a token that lives longer.
            try await vault.vault.server.command("revoke", ["client_id": .string(vault.controllerID)])
            let before = try await tokenRequests(vault)
            for round in 1...8 {
                try await namespace.apply("db", ["k": "\(round)"], with: developer)
                try await namespace.reconciled("db")
                if round == 4 { try await vault.writeToken() }
                try await Task.sleep(for: .seconds(1))
            }
            #expect(!controller.log.contains("not synced"))
            #expect(try await tokenRequests(vault) >= before + 2)
            // A token with another audience gives no access, and the status reports it.
            try await vault.writeToken(audience: "vault")
            try await eventually("the status reports that Entra ID refuses the token") {
                try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
                let ready = try await namespace.wrappedSecret("db").status?.condition(.ready)
                return ready?.reason == Reason.unwrapDenied.rawValue
                    && ready?.message.contains("api://AzureADTokenExchange") == true
            }
            try await vault.writeToken()
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "8"] }
            try await vault.vault.server.command("lifetime", ["seconds": 3599])
        }
    }

    private func tokenRequests(_ vault: ClusterVault) async throws -> Int {
        try await vault.vault.server.requests([
            "operation": "token", "client_id": .string(vault.controllerID),
        ]).count
    }

    @Test func aBacklogOutlivesThrottlingAndAnOutage() async throws {
        try await withController { namespace, _, vault in
            let server = vault.vault.server
            let names = (0..<40).map { "db-\($0)" }
            for fault: [String: AnyJSON] in [
                ["status": 429, "count": 15, "headers": ["Retry-After": "1"]], ["status": 503, "count": 15],
                ["close": true, "count": 5],
            ] {
                try await server.command(
                    "fault", fault.merging(["on": "unwrapKey", "vault": .string(vault.vault.name)]) { $1 })
            }
            try await namespace.applyAll(names, with: try vault.developer()) { $0 }
            try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
        }
    }

    @Test func isCompatibleWithAnIndependentClient() async throws {
        try await withController { namespace, _, vault in
            var settings = try await vault.settings(allowing: ["wrapKey", "unwrapKey", "getKey"])
            settings["KMS"] = "azure"
            settings["REQUESTS_CA_BUNDLE"] = vault.vault.server.ca
            let client = IndependentClient(environment: settings)
            let manifest = try await client.run(
                "make", namespace.name, "theirs", "password=hünter2", "empty=")
            try await namespace.kubectl("apply", "-f", "-", input: Data(manifest.utf8))
            try await namespace.reconciled("theirs")
            #expect(try await namespace.secret("theirs")?.values == ["password": "hünter2", "empty": ""])

            let wrapped = try await cli(
                [
                    "wrap", "-n", namespace.name, "--name", "ours", "--from-literal", "password=hünter2",
                    "-o", "json",
                ], vault.developerSettings)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            let opened = try await client.run("open", input: wrapped.output)
            #expect(
                try JSONDecoder().decode([String: String].self, from: Data(opened.utf8))
                    == ["password": "hünter2"])
        }
    }
}
