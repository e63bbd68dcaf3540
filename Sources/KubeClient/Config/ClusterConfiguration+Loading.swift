import Cryptography
import Glibc
import HTTP
import System

extension ClusterConfiguration {
    /// Finds the cluster in the order of controller-runtime: in `explicitPath` (a `--kubeconfig` flag), else in the files
    /// of `KUBECONFIG`, else as the pod's service account, else in `~/.kube/config`.
    ///
    /// Blocks while it reads files. Uses no network and runs no plugin.
    /// - Parameters:
    ///   - context: the value of a `--context` flag, or nil for the current context. A context excludes the service
    ///     account, which has none.
    ///   - serviceAccountFolder: the folder of the pod's token, which tests replace.
    package static func load(
        explicitPath: String? = nil, context: String? = nil, environment: [String: String],
        serviceAccountFolder: String? = nil, isTerminal: Bool = isatty(0) == 1
    ) throws(ConfigurationError) -> ClusterConfiguration {
        func select(_ kubeconfig: Kubeconfig) throws(ConfigurationError) -> ClusterConfiguration {
            reportingWarnings(
                try KubeconfigSelection(kubeconfig, context: context)
                    .configuration(environment: environment, isTerminal: isTerminal))
        }
        if let explicitPath {
            guard !isKubeconfigContent(explicitPath) else { throw contentError("the path of the kubeconfig") }
            guard !CredentialFile.isMissing(explicitPath) else {
                throw ConfigurationError(
                    .unreadable,
                    PathRedaction.printablePath(explicitPath).map { "\($0): there is no such kubeconfig" }
                        ?? "there is no kubeconfig at the given path; give the path of a file, not its content"
                )
            }
            return try select(try Kubeconfig(files: [explicitPath]))
        }
        guard !isKubeconfigContent(environment["KUBECONFIG"] ?? "") else { throw contentError("KUBECONFIG") }
        let listed = files(in: environment)
        if !listed.isEmpty {
            let kubeconfig = try Kubeconfig(files: listed)
            guard !kubeconfig.isEmpty else {
                let paths = listed.compactMap { PathRedaction.printablePath($0) }
                guard paths.count == listed.count else {
                    throw ConfigurationError(
                        .notConfigured,
                        "KUBECONFIG names no file with a cluster; it takes paths of files, not their content; correct "
                            + "or unset it")
                }
                throw ConfigurationError(
                    .notConfigured,
                    "KUBECONFIG names \(paths.listed()), which define no cluster; correct or unset it"
                )
            }
            return try select(kubeconfig)
        }
        let folder = serviceAccountFolder ?? InClusterConfiguration.folder
        if context == nil, InClusterConfiguration.isAvailable(environment: environment, folder: folder) {
            return reportingWarnings(
                try InClusterConfiguration.load(environment: environment, folder: folder))
        }
        let home = homeFile(in: environment)
        let kubeconfig = try Kubeconfig(files: home.map { [$0] } ?? [])
        guard !kubeconfig.isEmpty else {
            throw ConfigurationError(
                .notConfigured,
                "no cluster is configured: KUBECONFIG is not set, this is not a pod with a service account, and "
                    + "\(home ?? "~/.kube/config") is missing or empty; set KUBECONFIG to a kubeconfig file")
        }
        return try select(kubeconfig)
    }

    /// Returns the sorted names of the contexts in the kubeconfig that `load` would read, or none if it cannot be read.
    package static func contextNames(explicitPath: String?, environment: [String: String]) -> [String] {
        let listed = files(in: environment)
        let home = homeFile(in: environment).map { [$0] } ?? []
        let kubeconfig = try? Kubeconfig(
            files: explicitPath.map { [$0] } ?? (listed.isEmpty ? home : listed))
        return kubeconfig?.contexts.keys.sorted() ?? []
    }

    /// Returns true if `path` is the text of a kubeconfig, as YAML or JSON. Errors must not quote it then, since it
    /// contains credentials.
    private static func isKubeconfigContent(_ path: String) -> Bool {
        path.contains(where: \.isNewline) || path.hasPrefix("{")
            || (path.contains("apiVersion:") && CredentialFile.isMissing(path))
    }

    private static func contentError(_ setting: String) -> ConfigurationError {
        ConfigurationError(
            .invalid,
            "\(setting) holds the content of a kubeconfig instead of its path; write it to a file and give the path of "
                + "that file"
        )
    }

    private static func reportingWarnings(_ configuration: ClusterConfiguration) -> ClusterConfiguration {
        for warning in configuration.warnings { Warnings.report(warning) }
        return configuration
    }

    private static func files(in environment: [String: String]) -> [String] {
        (environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
    }

    private static func homeFile(in environment: [String: String]) -> String? {
        environment["HOME"].map { "\($0)/.kube/config" }
    }
}

/// Configures access to the API server of the pod's own cluster as the pod's service account.
///
/// Source: Kubernetes, "Accessing the Kubernetes API from a Pod".
enum InClusterConfiguration {
    static let folder = "/var/run/secrets/kubernetes.io/serviceaccount"

    static func isAvailable(environment: [String: String], folder: String) -> Bool {
        environment["KUBERNETES_SERVICE_HOST"]?.isEmpty == false
            && environment["KUBERNETES_SERVICE_PORT"]?.isEmpty == false
            && FileFingerprint(path: "\(folder)/token") != nil
    }

    static func load(
        environment: [String: String], folder: String
    ) throws(ConfigurationError) -> ClusterConfiguration {
        let host = environment["KUBERNETES_SERVICE_HOST"] ?? ""
        let port = environment["KUBERNETES_SERVICE_PORT"] ?? ""
        guard !host.isEmpty, UInt16(port) != nil else {
            throw ConfigurationError(
                .notConfigured,
                "KUBERNETES_SERVICE_HOST is not set, or KUBERNETES_SERVICE_PORT is not a port; is this a pod?"
            )
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
        guard FileFingerprint(path: path) != nil else { return "default" }
        let text = try CredentialFile.read(path, for: purpose).withUnsafeBytes {
            String(decoding: $0, as: UTF8.self)
        }
        let name = text.split(whereSeparator: \.isWhitespace).first.map(String.init)
        return name ?? "default"
    }
}
