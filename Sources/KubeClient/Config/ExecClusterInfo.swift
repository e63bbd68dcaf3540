import Cryptography
import YAML

/// What a plugin with `provideClusterInfo` is told of the cluster (client.authentication.k8s.io/v1 Cluster).
struct ExecClusterInfo: Sendable {
    let server: String
    let tlsServerName: String?
    let isInsecure: Bool
    /// PEM.
    let certificateAuthority: [UInt8]?
    let proxyURL: String?
    /// The extension `client.authentication.k8s.io/exec` of the cluster's entry, whatever it holds.
    let config: YAMLNode?

    var value: JSONValue {
        var entries: [(key: String, value: JSONValue)] = [("server", .string(server))]
        if let tlsServerName { entries.append(("tls-server-name", .string(tlsServerName))) }
        if isInsecure { entries.append(("insecure-skip-tls-verify", true)) }
        if let certificateAuthority {
            entries.append(
                ("certificate-authority-data", .base64(SharedSecret(copying: certificateAuthority))))
        }
        if let proxyURL { entries.append(("proxy-url", .string(proxyURL))) }
        if let config { entries.append(("config", JSONValue(config))) }
        return .object(entries)
    }
}
