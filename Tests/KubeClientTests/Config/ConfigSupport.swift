import Cryptography
import Foundation

@testable import KubeClient

func text(_ secret: SharedSecret?) -> String? {
    secret?.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

/// Returns the message of the error that `body` throws, or nil if it throws none.
func refusal(_ body: () async throws(ConfigurationError) -> Void) async -> String? {
    do throws(ConfigurationError) {
        try await body()
        return nil
    } catch {
        return "\(error)"
    }
}

func load(_ file: String, context: String? = nil) throws(ConfigurationError) -> ClusterConfiguration {
    try ClusterConfiguration.load(
        explicitPath: file, context: context, environment: ["PATH": "/usr/bin:/bin"], isTerminal: false)
}

/// Returns the content of a file in Tests/Vectors/tls.
func tlsVector(_ name: String) -> String {
    let vectors = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Vectors/tls/\(name)")
    return (try? String(contentsOf: vectors, encoding: .utf8)) ?? ""
}

let fakeCertificate = tlsVector("ca.crt")
let realCertificate = tlsVector("client.crt")
let realKey = tlsVector("client.key")
let damagedCertificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }

/// Returns a kubeconfig with one cluster and one user.
func kubeconfig(cluster: String = "", user: String = "") -> String {
    """
    apiVersion: v1
    kind: Config
    current-context: c
    contexts: [{name: c, context: {cluster: l, user: u}}]
    clusters: [{name: l, cluster: {server: "https://h:1"\(cluster.isEmpty ? "" : ", " + cluster)}}]
    users: [{name: u, user: {\(user)}}]
    """
}
