import Envelope
import Foundation
import KMS
import Settings
import TestSupport
import Testing

/// A vault of Azure on loopback. The controller signs in with tokens of its service account in the shared cluster, and a
/// developer with a client secret that may wrap only.
struct ClusterVault {
    let vault: AzureTestVault
    /// The client id of the controller's application.
    let controllerID: String
    private let cluster: Cluster
    private let folder: TemporaryFolder

    static let audience = "api://AzureADTokenExchange"
    private static let subject = "system:serviceaccount:secrets-bridge:secrets-bridge"

    init() async throws {
        let settings = try Settings.required()
        try await settings.installRole()
        cluster = settings.sharedCluster
        folder = try TemporaryFolder()
        vault = try await AzureTestVault.create(operations: ["wrapKey"])
        controllerID = UUID().uuidString.lowercased()
        let discovery = try AnyJSON(
            Array(
                try await cluster.kubectl("get", "--raw", "/.well-known/openid-configuration").utf8))
        let issuer = discovery["issuer"] ?? .null
        let keys = try AnyJSON(Array(try await cluster.kubectl("get", "--raw", "/openid/v1/jwks").utf8))
        try await vault.server.command("issuer", ["issuer": issuer, "jwks": keys])
        try await vault.addApplication(
            controllerID,
            [
                "federated": [
                    [
                        "issuer": issuer, "subject": .string(Self.subject),
                        "audience": .string(Self.audience),
                    ]
                ]
            ], ["unwrapKey"])
        try await writeToken()
    }

    private var tokenFile: String { folder.path("token") }

    /// The environment of the controller's pod, as the webhook of Microsoft Entra Workload ID sets it.
    var podSettings: [String: String] {
        vault.settings.merging([
            "AZURE_TENANT_ID": AzureServer.tenant, "AZURE_CLIENT_ID": controllerID,
            "AZURE_FEDERATED_TOKEN_FILE": tokenFile,
        ]) { $1 }
    }

    var developerSettings: [String: String] { vault.applicationSettings }

    func developer() throws -> any KeyManager {
        try KeyRing.load(from: Environment(developerSettings)).primary
    }

    /// Writes a token of the controller's service account atomically, as the kubelet does.
    func writeToken(audience: String = Self.audience) async throws {
        let token = try await cluster.kubectl(
            "-n", "secrets-bridge", "create", "token", "secrets-bridge", "--audience=\(audience)",
            "--duration=1h")
        try Data(token.utf8).write(to: URL(filePath: tokenFile), options: .atomic)
    }

    /// Returns the settings of another application with a client secret.
    func settings(allowing operations: [String]) async throws -> [String: String] {
        let clientID = UUID().uuidString.lowercased()
        try await vault.addApplication(clientID, ["secret": "s"], operations)
        return vault.settings.merging([
            "AZURE_TENANT_ID": AzureServer.tenant, "AZURE_CLIENT_ID": clientID, "AZURE_CLIENT_SECRET": "s",
        ]) { $1 }
    }

    /// Returns the number of requests for an operation in this vault, with any status.
    func requests(_ operation: String) async throws -> Int {
        let host = AnyJSON.string(String(vault.url.dropFirst("https://".count)))
        return try await vault.server.requests(["host": host, "operation": .string(operation)]).count
    }
}
