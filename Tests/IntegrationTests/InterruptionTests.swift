import Foundation
import TestSupport
import Testing

/// Interrupts commands that wait for a KMS without a response.
@Suite(.onRealServers)
struct InterruptionTests {
    private let folder: TemporaryFolder
    private let local = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private static let signals: [(Int32, Int32)] = [(SIGINT, 130), (SIGTERM, 143)]

    init() throws { folder = try TemporaryFolder() }

    /// Returns the settings of these backends; `interrupt.py` sets the address of a Vault that does not respond.
    private func settings(_ backends: String) -> [String: String] {
        local.merging([
            "SB_KMS_BACKEND": backends, "SB_ENV": "dev", "SB_KMS_VAULT_KEY": "sb-wrap",
            "SB_KMS_VAULT_TOKEN": "t",
        ]) { $1 }
    }

    private func interrupt(
        _ arguments: [String], _ settings: [String: String], with number: Int32
    ) async throws -> Program.Outcome {
        let tests = try Settings.required()
        return try await Program(
            tests.python,
            ["\(tests.repository)/Tests/Clients/interrupt.py", "\(number)", tests.binary] + arguments,
            environment: settings
        ).outcome()
    }

    @Test(arguments: signals) func wrapWritesNothing(number: Int32, status: Int32) async throws {
        let file = try folder.write("wrapped.yaml", "precious")
        let outcome = try await interrupt(
            ["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v", "-w", file],
            settings("vault-transit"), with: number)
        #expect(outcome.status == status, "\(outcome)")
        #expect(try folder.read("wrapped.yaml") == "precious")
        #expect(try folder.names == ["wrapped.yaml"])
    }

    @Test(arguments: signals) func rewrapLeavesTheFile(number: Int32, status: Int32) async throws {
        let file = folder.path("db.yaml")
        _ = try await secretsBridge(
            ["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v", "-w", file], local,
            location: #_sourceLocation)
        let before = try folder.read("db.yaml")
        let outcome = try await interrupt(
            ["rewrap", "--add-recipient", "vault-transit", file], settings("local,vault-transit"),
            with: number)
        #expect(outcome.status == status, "\(outcome)")
        #expect(try folder.read("db.yaml") == before)
        #expect(try folder.names == ["db.yaml"])
    }
}
