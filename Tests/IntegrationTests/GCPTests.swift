import Envelope
import Foundation
import KMS
import Resources
import TestSupport
import Testing

@testable import KubeClient

/// `gcp-kms` with Google Cloud on loopback, which verifies the tokens of the real API server.
@Suite(.onRealServers, .enabled(if: GCPServer.isAvailable), .serialized)
struct GCPTests {
    /// Runs the controller in a new namespace, with the credential configuration of its service account.
    private func withController(
        _ body: (TestNamespace, ControllerProgram, ClusterGCP) async throws -> Void
    ) async throws {
        let gcp = try await ClusterGCP()
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, gcp.podSettings) { controller in
                try await body(namespace, controller, gcp)
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
        try await withController { namespace, controller, gcp in
            let wrapped = try await cli(
                ["wrap", "-n", namespace.name, "--name", "db", "--from-literal", "password=hunter2"],
                gcp.developerSettings)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            try await namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
            let object = try await namespace.reconciled("db")
            #expect(try await namespace.secret("db")?.values == ["password": "hunter2"])
            #expect(object.status?.keyID == gcp.key.keyID)
            // The controller may not read the key.
            #expect(object.status?.keyVersion == "primary")

            let refused = try await cli(["unwrap"], gcp.developerSettings, input: wrapped.output)
            #expect(refused.status == 1)
            #expect(refused.output.isEmpty)
            #expect(refused.errors.contains("roles/cloudkms.cryptoKeyDecrypter"), "\(refused.errors)")

            try await eventually("the key is logged") {
                try controller.kmsLogLines().contains { $0.msg == "keymgmt backend ready" }
            }
        }
    }

    @Test func showsTheNumberOfTheVersionIfItMayReadTheKey() async throws {
        let gcp = try await ClusterGCP()
        try await gcp.key.grant("viewer", to: gcp.controller)
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, gcp.podSettings) { _ in
                try await namespace.apply("db", ["k": "v"], with: try gcp.developer())
                #expect(try await namespace.reconciled("db").status?.keyVersion == "1")
            }
        }
    }

    @Test func sendsOneRequestForAChangeAndNoneAtARestart() async throws {
        let gcp = try await ClusterGCP()
        try await TestNamespace.withShared { namespace in
            let developer = try gcp.developer()
            func decrypts(_ body: () async throws -> Void) async throws -> Int {
                var counted = 0
                try await ControllerProgram.with(namespace, gcp.podSettings) { controller in
                    try await eventually("the self-test is logged") { try !controller.kmsLogLines().isEmpty }
                    let before = try gcp.requests("decrypt")
                    try await body()
                    counted = try gcp.requests("decrypt") - before
                }
                return counted
            }
            let names = (0..<30).map { "db-\($0)" }
            let first = try await decrypts {
                try await namespace.applyAll(names, with: developer) { $0 }
                try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
                try await namespace.kubectl("delete", "secret", "db-0")
                try await namespace.secret("db-0", until: "is restored") { $0.values == ["k": "db-0"] }
                try await namespace.reconciled("db-0")
            }
            #expect(first == names.count + 1)
            let second = try await decrypts {
                // This object is behind all others in the queue.
                try await namespace.apply("last", ["k": "v"], with: developer)
                try await namespace.reconciled("last")
            }
            #expect(second == 1)
        }
    }

    @Test func cloudKMSRefusesACopyInAnotherNamespace() async throws {
        try await withController { namespace, _, gcp in
            var stolen = try await Manifest("db", in: "elsewhere", ["k": "v"], with: try gcp.developer())
            stolen.metadata.namespace = namespace.name
            try await namespace.apply(stolen)
            try await namespace.reconciled("db", .decryptFailed)
            #expect(try await namespace.secret("db") == nil)
        }
    }

    @Test func anotherKeyCausesNoRequest() async throws {
        let other = try await ClusterGCP()
        try await withController { namespace, controller, gcp in
            try await eventually("the self-test is logged") { try !controller.kmsLogLines().isEmpty }
            let before = try gcp.requests("decrypt")
            try await namespace.apply("db", ["k": "v"], with: try other.developer())
            try await namespace.reconciled("db", .noUsableRecipient)
            #expect(try gcp.requests("decrypt") == before)
        }
    }

    @Test func keepsTheSecretWhileTheVersionIsDisabledAndRecovers() async throws {
        try await withController { namespace, _, gcp in
            try await namespace.apply("db", ["k": "v"], with: try gcp.developer())
            try await namespace.reconciled("db")
            try await gcp.key.setState("DISABLED", version: 1)
            try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
            let message = try await namespace.reconciled("db", .keyUnavailable).status?.condition(.ready)?
                .message
            #expect(message?.contains("disabled") == true, "\(message ?? "")")
            #expect(message?.contains(gcp.key.name) == true, "\(message ?? "")")
            #expect(try await namespace.secret("db")?.values["k"] == "v")
            try await gcp.key.setState("ENABLED", version: 1)
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "v"] }
        }
    }

    @Test func opensEarlierVersionsAndRewrapsToThePrimaryOne() async throws {
        try await withController { namespace, _, gcp in
            let first = try await namespace.wrap("first", ["k": "1"], with: try gcp.developer())
            try await gcp.key.rotate()
            try await namespace.apply(first)
            #expect(try await namespace.reconciled("first").status?.keyVersion == "earlier")

            let folder = try TemporaryFolder()
            defer { withExtendedLifetime(folder) {} }
            let file = try folder.write("first.json", first.json())
            let rotator = try gcp.key.settings(
                try await gcp.key.serviceAccount("cryptoKeyEncrypterDecrypter"))
            #expect(try await cli(["rewrap", "--check", file], rotator).status == 1)
            let moved = try await cli(["rewrap", file], rotator)
            #expect(moved.status == 0, "\(moved.errors)")
            #expect(moved.output.contains("newest version"), "\(moved.output)")
            try await namespace.kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
            try await eventually("the primary version serves") {
                try await namespace.reconciled("first").status?.keyVersion == "primary"
            }
            #expect(try await namespace.secret("first")?.values == ["k": "1"])
            // There is nothing left to do, and the earlier version is not needed any more.
            #expect(try await cli(["rewrap", "--check", file], rotator).status == 0)
            try await gcp.key.setState("DESTROYED", version: 1)
            try await namespace.kubectl("delete", "secret", "first")
            try await namespace.secret("first", until: "is restored") { $0.values == ["k": "1"] }
        }
    }

    @Test func replacesExpiringTokensAndReadsARotatedFile() async throws {
        try await withController { namespace, controller, gcp in
            let server = gcp.key.server
            let developer = try gcp.developer()
            try await server.configure(["token_seconds": 4])
            // Until now the controller has a token that lives longer.
            try await server.control("forget", [:])
            let before = try server.requests(["service": "sts"]).count
            for round in 1...8 {
                try await namespace.apply("db", ["k": "\(round)"], with: developer)
                try await namespace.reconciled("db")
                if round == 4 { try await gcp.writeToken() }
                try await Task.sleep(for: .seconds(1))
            }
            #expect(!controller.log.contains("not synced"))
            #expect(try server.requests(["service": "sts"]).count >= before + 2)
            // A token with another audience gives no access, and the status reports it.
            try await gcp.writeToken(audience: "vault")
            try await eventually("the status reports that the token is refused") {
                try await namespace.kubectl("patch", "secret", "db", "-p", #"{"stringData":{"other":"v"}}"#)
                let ready = try await namespace.wrappedSecret("db").status?.condition(.ready)
                return ready?.reason == Reason.unwrapDenied.rawValue
                    && ready?.message.contains("allowed audiences") == true
            }
            try await gcp.writeToken()
            try await namespace.secret("db", until: "is repaired") { $0.values == ["k": "8"] }
            try await server.configure(["token_seconds": 3600])
        }
    }

    @Test func aBacklogOutlivesThrottlingAndAnOutage() async throws {
        try await withController { namespace, _, gcp in
            let names = (0..<40).map { "db-\($0)" }
            for fault: [String: AnyJSON] in [
                ["status": 429, "times": 15, "retry_after": 1], ["status": 503, "times": 15],
                ["status": 0, "times": 5],
            ] {
                try await gcp.key.server.control(
                    "fail", .object(fault.merging(["service": "kms", "operation": "decrypt"]) { $1 }))
            }
            try await namespace.applyAll(names, with: try gcp.developer()) { $0 }
            try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
        }
    }

    @Test func isCompatibleWithAnIndependentClient() async throws {
        try await withController { namespace, _, gcp in
            var settings = try gcp.key.settings(
                try await gcp.key.serviceAccount("cryptoKeyEncrypterDecrypter"))
            settings["KMS"] = "gcp"
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
                ], gcp.developerSettings)
            #expect(wrapped.status == 0, "\(wrapped.errors)")
            let opened = try await client.run("open", input: wrapped.output)
            #expect(
                try JSONDecoder().decode([String: String].self, from: Data(opened.utf8))
                    == ["password": "hünter2"])
        }
    }
}
