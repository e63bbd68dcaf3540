import Foundation
import Primitives

@testable import KubeClient

func text(_ secret: SharedSecret?) -> String? {
    secret?.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

/// The one line of a configuration that has to be refused; nil where it is taken.
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

let fakeCertificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }

/// A kubeconfig with one cluster and one user.
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
