import Envelope
import Foundation
import KMS
import Settings
import TestSupport
import Testing

/// A key of Google Cloud on loopback. The controller's identity comes from Workload Identity Federation of tokens of its service
/// account in the shared cluster, and a developer has the key file of a service account that may wrap only.
struct ClusterGCP {
    let key: GCPTestKey
    /// The member name of the controller's service account in IAM policies.
    let controller: String
    let developerSettings: [String: String]
    /// The environment of the controller's pod.
    let podSettings: [String: String]
    private let audience: String
    private let tokenFile: String
    private let cluster: Cluster

    init() async throws {
        let settings = try Settings.required()
        try await settings.installRole()
        cluster = settings.sharedCluster
        key = try await GCPTestKey.create()
        let pool =
            "projects/1234/locations/global/workloadIdentityPools/p-\(UUID().uuidString.prefix(8).lowercased())"
        audience = "//iam.googleapis.com/\(pool)/providers/cluster"
        let discovery = try AnyJSON(
            Array(try await cluster.kubectl("get", "--raw", "/.well-known/openid-configuration").utf8))
        let keys = try AnyJSON(Array(try await cluster.kubectl("get", "--raw", "/openid/v1/jwks").utf8))
        try await key.server.control(
            "provider",
            [
                "audience": .string(audience), "issuer": discovery["issuer"] ?? .null, "jwks": keys,
                "audiences": ["sts.googleapis.com"],
            ])
        controller =
            "principal://iam.googleapis.com/\(pool)/subject/system:serviceaccount:secrets-bridge:secrets-bridge"
        try await key.grant("cryptoKeyDecrypter", to: controller)
        tokenFile = key.server.folder.path("token-\(UUID().uuidString)")
        podSettings = try key.settings([
            "type": "external_account", "audience": .string(audience),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": .string("\(key.server.url)/v1/token"),
            "credential_source": ["file": .string(tokenFile)],
        ])
        developerSettings = try key.settings(try await key.serviceAccount("cryptoKeyEncrypter"))
        try await writeToken()
    }

    func developer() throws -> any KeyManager {
        try KeyRing.load(from: Environment(developerSettings)).primary
    }

    /// Writes a token of the controller's service account atomically, as the kubelet does.
    func writeToken(audience: String = "sts.googleapis.com") async throws {
        let token = try await cluster.kubectl(
            "-n", "secrets-bridge", "create", "token", "secrets-bridge", "--audience=\(audience)",
            "--duration=1h")
        try Data(token.utf8).write(to: URL(filePath: tokenFile), options: .atomic)
    }

    /// Returns the number of the controller's requests for an operation, with any status.
    func requests(_ operation: String) throws -> Int {
        try key.server.requests(["operation": .string(operation), "principal": .string(controller)]).count
    }
}
