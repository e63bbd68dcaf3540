import Cryptography
import Envelope
import Foundation
import KMS
import Resources
import TestSupport
import Testing

/// `secrets-bridge rewrap` and `status` with OpenBao and a cluster.
@Suite(.onRealServers, .serialized)
struct VaultRewrapTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func run(
        _ arguments: [String], _ environment: [String: String], status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(arguments, environment, status: status, location: location)
    }

    private func write(_ manifest: Manifest) throws {
        try folder.write("\(manifest.metadata.name).json", manifest.json())
    }

    @Test func rewrapsFilesAfterAKeyRotationAndChangesNothingElse() async throws {
        try await OpenBao.with { bao in
            let developer = try await bao.key("developer")
            for index in 0..<230 {
                try write(try await Manifest("s\(index)", in: "payments", ["k": "\(index)"], with: developer))
            }
            let before = try folder.read("s7.json")
            let rotator = try await bao.settings(token: "rotator")
            _ = try await run(["rewrap", "--check", folder.path], rotator)
            try await bao.bao("write", "-f", "transit/keys/sb-wrap/rotate")
            let found = try await run(["rewrap", "--check", "-q", folder.path], rotator, status: 1)
            #expect(found.output == "230 WrappedSecrets: 230 to move, 0 current\n")
            #expect(try folder.read("s7.json") == before)

            // Only the permission to rewrap is used, in batches.
            let start = try bao.auditEntries()
            let done = try await run(["rewrap", folder.path], rotator)
            #expect(done.output.hasSuffix("230 WrappedSecrets: 230 moved, 0 current\n"))
            #expect(done.output.contains("s7: vault-transit:transit/sb-wrap v1 -> v2\n"))
            #expect(try bao.requests("transit/rewrap/sb-wrap", from: start) == 2)
            #expect(try bao.requests("transit/decrypt/sb-wrap", from: start) == 0)
            let after = try folder.read("s7.json")
            let fields = { (text: String) in text.split(separator: ",").filter { !$0.contains("wrappedKey") }
            }
            #expect(fields(after) == fields(before))
            _ = try await run(["rewrap", "--check", folder.path], rotator)

            try await bao.bao("write", "transit/keys/sb-wrap/config", "min_decryption_version=2")
            let opened = try await run(["verify", folder.path], try await bao.settings(token: "controller"))
            #expect(opened.output.contains("230 WrappedSecrets, 0 problems"))
        }
    }

    @Test func movesWrappedSecretsBetweenBackends() async throws {
        try await OpenBao.with { bao in
            try write(
                try await Manifest("db", in: "payments", ["k": "v"], with: try await bao.key("developer")))
            let master = Base64.encode([UInt8](repeating: 9, count: 32))
            // The controller's token is the one that may unwrap with Vault.
            var mover = try await bao.settings(token: "controller")
            mover["SB_KMS_BACKEND"] = "vault-transit,local"
            mover["SB_WRAP_MASTER_KEY"] = master
            let added = try await run(["rewrap", "--add-recipient", "local", folder.path], mover)
            #expect(added.output.contains("db: + local:"))
            let local = ["SB_WRAP_MASTER_KEY": master]
            _ = try await run(["verify", folder.path], local)
            // Without Vault, the local key verifies that Vault is no longer needed.
            let removed = try await run(
                ["rewrap", "--remove-recipient", "vault-transit", folder.path], local)
            #expect(removed.output.contains("db: - vault-transit:transit/sb-wrap v1"))
            let uses = try await run(["status", "--by-key", folder.path], [:])
            #expect(!uses.output.contains("vault-transit"))
            #expect(
                try await run(["unwrap", "-f", folder.path("db.json")], local).output.contains("k: dg=="))
            let wrong = try await run(["rewrap", "--to", "aws-kms", folder.path], local, status: 1)
            #expect(wrong.errors.contains("SB_KMS_BACKEND"))
        }
    }

    @Test func rewrapsWrappedSecretsInACluster() async throws {
        try await OpenBao.with { bao in
            try await TestNamespace.withShared { namespace in
                let developer = try await bao.key("developer")
                try await namespace.apply("one", ["k": "1"], with: developer)
                try await namespace.apply("two", ["k": "2"], with: developer)
                let before = try await namespace.wrappedSecret("one")
                try await bao.bao("write", "-f", "transit/keys/sb-wrap/rotate")
                var rotator = try await bao.settings(token: "rotator")
                rotator["KUBECONFIG"] = try Settings.required().sharedCluster.kubeconfig
                let arguments = ["-n", namespace.name]
                _ = try await run(["rewrap", "--check"] + arguments, rotator, status: 1)
                let done = try await run(["rewrap"] + arguments, rotator)
                #expect(done.output.contains("\(namespace.name)/one: vault-transit:transit/sb-wrap v1 -> v2"))
                let after = try await namespace.wrappedSecret("one")
                #expect(after.spec.envelope.recipients[0].wrappedKey.hasPrefix("vault:v2:"))
                #expect(after.spec.envelope.data == before.spec.envelope.data)
                #expect(after.spec.envelope.mac == before.spec.envelope.mac)
                let uses = try await run(["status", "--by-key"] + arguments, rotator)
                #expect(uses.output.contains("vault-transit:transit/sb-wrap   2         2                2"))
                let status = try await run(["status", "-o", "json"] + arguments, rotator)
                let decoded =
                    try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [[String: Any]]
                #expect(decoded?.map { $0["name"] as? String } == ["one", "two"])
            }
        }
    }

    /// After a kill at any moment, every file is old or new, and another run completes the work.
    @Test func leavesEveryFileCompleteIfItIsKilled() async throws {
        try await OpenBao.with { bao in
            let developer = try await bao.key("developer")
            let manifest = try await Manifest("db", in: "payments", ["k": "v"], with: developer)
            for index in 0..<1500 { try folder.write("f\(index).json", manifest.json()) }
            try await bao.bao("write", "-f", "transit/keys/sb-wrap/rotate")
            let rotator = try await bao.settings(token: "rotator")
            for milliseconds in [60, 120, 180, 240] {
                let program = try Program(
                    try Settings.required().binary, ["rewrap", folder.path], environment: rotator)
                try await Task.sleep(for: .milliseconds(milliseconds))
                program.signal(SIGKILL)
                _ = try await program.outcome()
                _ = try await run(["verify", "--offline", folder.path], [:])
            }
            let done = try await run(["rewrap", "-q", folder.path], rotator)
            #expect(done.output.hasPrefix("1500 WrappedSecrets: "))
            #expect(!done.output.contains("failed"))
            _ = try await run(["rewrap", "--check", "-q", folder.path], rotator)
            #expect(try folder.names.count == 1500)
        }
    }
}
