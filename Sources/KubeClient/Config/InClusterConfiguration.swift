import Cryptography
import HTTP

/// The API server of the cluster whose pod we run in, as the pod's service account.
///
/// Source: "Accessing the Kubernetes API from a Pod".
enum InClusterConfiguration {
    static let folder = "/var/run/secrets/kubernetes.io/serviceaccount"

    static func isAvailable(environment: [String: String], folder: String) -> Bool {
        environment["KUBERNETES_SERVICE_HOST"]?.isEmpty == false
            && environment["KUBERNETES_SERVICE_PORT"]?.isEmpty == false
            && CredentialFile.stamp(of: "\(folder)/token") != nil
    }

    static func load(
        environment: [String: String], folder: String
    ) throws(ConfigurationError) -> ClusterConfiguration {
        let host = environment["KUBERNETES_SERVICE_HOST"] ?? ""
        let port = environment["KUBERNETES_SERVICE_PORT"] ?? ""
        guard !host.isEmpty, UInt16(port) != nil else {
            throw ConfigurationError(
                .notConfigured,
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; is this a pod?")
        }
        let purpose = "the pod's service account"
        let authority = SharedSecret(try CredentialFile.read("\(folder)/ca.crt", for: purpose))
        var pool = CertificatePool()
        guard pool.add(authority.bytes, from: "\(folder)/ca.crt") > 0 else {
            throw ConfigurationError(
                .invalid, pool.warnings.first ?? "\(folder)/ca.crt: holds no PEM certificate")
        }
        var configuration = ClusterConfiguration(
            server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)", trust: .pem(pool.pem),
            defaultNamespace: try namespace(folder, purpose),
            credentials: TokenFile(path: "\(folder)/token", purpose: purpose))
        configuration.isInCluster = true
        configuration.warnings = pool.warnings
        return configuration
    }

    private static func namespace(_ folder: String, _ purpose: String) throws(ConfigurationError) -> String {
        let path = "\(folder)/namespace"
        guard CredentialFile.stamp(of: path) != nil else { return "default" }
        let text = try CredentialFile.read(path, for: purpose).withUnsafeBytes {
            String(decoding: $0, as: UTF8.self)
        }
        let name = text.split(whereSeparator: \.isWhitespace).first.map(String.init)
        return name ?? "default"
    }
}
