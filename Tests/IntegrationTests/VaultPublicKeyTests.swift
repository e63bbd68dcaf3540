import Foundation
import KMS
import Resources
import TestSupport
import Testing

/// WrappedSecrets that were made offline with a recipient file, and a real OpenBao that has the private key.
@Suite(.onRealServers, .dedicatedOpenBao, .serialized)
struct VaultPublicKeyTests {
    private let folder: TemporaryFolder
    private let keyID = "vault-transit:transit/sb-offline"

    init() throws { folder = try TemporaryFolder() }

    /// The environment of a user without settings and identity.
    private var offline: [String: String] { ["HOME": folder.path, "XDG_CONFIG_HOME": folder.path("config")] }

    private func run(
        _ arguments: [String], _ environment: [String: String]? = nil, input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            arguments, offline.merging(environment ?? [:]) { $1 }, input: Data(input.utf8), status: status,
            location: location)
    }

    /// Creates the key, and exports its public half.
    private func export(_ bao: OpenBao) async throws -> String {
        _ = try? await bao.bao("write", "-f", "transit/keys/sb-offline", "type=rsa-3072")
        let administrator = try await bao.settings(token: "developer").merging([
            "SB_KMS_VAULT_TOKEN": bao.administratorsToken, "SB_KMS_VAULT_KEY": "sb-offline",
        ]) { $1 }
        let file = folder.path("key.yaml")
        let exported = try await run(["recipient", "export", "-w", file], administrator)
        #expect(exported.errors.contains("\(keyID) has the fingerprint sha256:"), "\(exported.errors)")
        return file
    }

    /// Returns the settings of a controller with the symmetric key and the asymmetric one.
    private func controllerSettings(_ bao: OpenBao) async throws -> [String: String] {
        let policy = ["sb-wrap", "sb-offline"].map {
            #"path "transit/decrypt/\#($0)" { capabilities = ["update"] }"#
        }
        try await bao.bao("policy", "write", "sb-offline", "-", input: policy.joined(separator: "\n"))
        let token = try await bao.bao("token", "create", "-policy=sb-offline", "-field=token").trimmed
        return try await bao.settings(token: "controller").merging([
            "SB_KMS_VAULT_TOKEN": token, "SB_KMS_VAULT_KEYS_PREVIOUS": "sb-offline",
        ]) { $1 }
    }

    @Test func theControllerOpensManyInBatches() async throws {
        let bao = try DedicatedOpenBao.required()
        let file = try await export(bao)
        let settings = try await controllerSettings(bao)
        try await TestNamespace.withShared { namespace in
            let count = 40
            let secrets = (0..<count).map { index in
                """
                apiVersion: v1
                kind: Secret
                metadata: {name: s\(index)}
                stringData: {password: value-\(index)}
                """
            }
            let wrapped = try await run(
                ["wrap", "-n", namespace.name, "--recipient", file],
                input: secrets.joined(separator: "\n---\n"))
            #expect(wrapped.errors.contains("recorded sha256:"))
            try await namespace.kubectl("apply", "-f", "-", input: Data(wrapped.output.utf8))
            let before = try bao.requests("transit/decrypt/sb-offline")
            try await ControllerProgram.with(namespace, settings) { _ in
                for index in 0..<count {
                    let object = try await namespace.reconciled("s\(index)")
                    #expect(object.status?.keyID == keyID)
                    #expect(object.status?.keyVersion == "1")
                    #expect(
                        try await namespace.secret("s\(index)")?.values == ["password": "value-\(index)"])
                }
            }
            let requests = try bao.requests("transit/decrypt/sb-offline") - before
            #expect(requests < count / 2, "\(requests) requests for \(count) data keys")
        }
    }

    @Test func aForgedRecipientHarmsNoOtherWrappedSecret() async throws {
        let bao = try DedicatedOpenBao.required()
        let file = try await export(bao)
        let settings = try await controllerSettings(bao)
        try await TestNamespace.withShared { namespace in
            let good = try await run(
                [
                    "wrap", "-n", namespace.name, "--recipient", file, "--name", "good", "--from-literal",
                    "k=v",
                ])
            let text = good.output.replacing("name: good", with: "name: forged")
            let wrappedKey = try #require(text.firstMatch(of: /vault:v1:[A-Za-z0-9+\/=]+/)?.output)
            let bytes = Data((0..<384).map { UInt8(truncatingIfNeeded: $0) })
            let forged = text.replacing(wrappedKey, with: "vault:v1:" + bytes.base64EncodedString())
            for manifest in [forged, text.replacing("name: forged", with: "name: moved"), good.output] {
                try await namespace.kubectl("apply", "-f", "-", input: Data(manifest.utf8))
            }
            try await ControllerProgram.with(namespace, settings) { _ in
                try await namespace.reconciled("good")
                try await namespace.reconciled("forged", .decryptFailed)
                // The KMS unwraps the data key of another place; the MAC does not verify.
                try await namespace.reconciled("moved", .integrityFailed)
                #expect(try await namespace.secret("forged") == nil)
                #expect(try await namespace.secret("moved") == nil)
            }
        }
    }

    @Test func offlineUsersCannotOpenAndAreToldWhatToDo() async throws {
        let file = try await export(try DedicatedOpenBao.required())
        let db = folder.path("db.yaml")
        _ = try await run(
            [
                "wrap", "-n", "payments", "--recipient", file, "--name", "db", "--from-literal", "k=v", "-w",
                db,
            ])
        let key = Data(repeating: 1, count: 32).base64EncodedString()
        let set = try await run(
            ["set", db, "--recipient", file, "--from-literal", "k=w"], ["SB_WRAP_MASTER_KEY": key], status: 1)
        #expect(set.errors.contains("a recipient file wraps and does not open"), "\(set.errors)")
        let unset = try await run(["unset", db, "k", "--recipient", file], status: 1)
        #expect(unset.errors.contains("a recipient file wraps and does not open"), "\(unset.errors)")
        let inspected = try await run(["inspect", db])
        #expect(inspected.output.contains("\(keyID) v1 (RSA-OAEP-256)"))
        let verified = try await run(["verify", "--offline", db])
        #expect(verified.status == 0)
    }

    @Test func aReplacedRecipientFileIsRefusedUntilItIsConfirmed() async throws {
        let bao = try DedicatedOpenBao.required()
        let file = try await export(bao)
        let wrap = ["wrap", "-n", "payments", "--recipient", file, "--name", "db", "--from-literal", "k=v"]
        _ = try await run(wrap)
        #expect(try await run(wrap).errors == "")
        try await bao.bao("write", "-f", "transit/keys/sb-offline/rotate")
        _ = try await export(bao)
        let refused = try await run(wrap, status: 1)
        #expect(refused.output == "")
        let fingerprint = try #require(
            refused.errors.firstMatch(of: /--accept-new-key (sha256:[0-9a-f]{64})/)?.output.1)
        let confirmed = try await run(wrap + ["--accept-new-key", String(fingerprint)])
        #expect(confirmed.output.contains("vault:v2:"))
        _ = try await run(wrap)
        #expect(try await run(wrap + ["--no-pin"]).errors == "")
    }

    @Test func rewrapAddsTheRecipientFile() async throws {
        let bao = try DedicatedOpenBao.required()
        let file = try await export(bao)
        let db = folder.path("db.yaml")
        let key = ["SB_WRAP_MASTER_KEY": Data(repeating: 1, count: 32).base64EncodedString()]
        _ = try await run(["wrap", "-n", "payments", "--name", "db", "--from-literal", "k=v", "-w", db], key)
        _ = try await run(["rewrap", "--recipient", file, db], key)
        let shown = try await run(["recipient", "show", file])
        #expect(shown.output.contains("sha256:"))
        let settings = try await controllerSettings(bao)
        let opened = try await run(["unwrap", db, "-o", "json"], settings)
        #expect(opened.output.contains(Data("v".utf8).base64EncodedString()))
    }
}
