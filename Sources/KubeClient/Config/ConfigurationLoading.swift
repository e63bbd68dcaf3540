import Glibc
import System

extension ClusterConfiguration {
    /// Finds the cluster as client-go does: `explicitPath` (a `--kubeconfig` flag), else the files of
    /// `KUBECONFIG`, else the pod's service account, else `~/.kube/config`.
    ///
    /// Reads files, and blocks while it does; no network, no plugin.
    /// - Parameters:
    ///   - context: a `--context` flag; nil: the current one. Not for a service account, which has none.
    ///   - serviceAccountFolder: where a pod finds its token; for tests.
    package static func load(
        explicitPath: String? = nil, context: String? = nil, environment: [String: String],
        serviceAccountFolder: String? = nil, isTerminal: Bool = isatty(0) == 1
    ) throws(ConfigurationError) -> ClusterConfiguration {
        func select(_ kubeconfig: Kubeconfig) throws(ConfigurationError) -> ClusterConfiguration {
            reporting(
                try KubeconfigSelection(kubeconfig, context: context)
                    .configuration(environment: environment, isTerminal: isTerminal))
        }
        if let explicitPath {
            guard !isKubeconfig(explicitPath) else { throw content("the path of the kubeconfig") }
            guard !CredentialFile.isMissing(explicitPath) else {
                throw ConfigurationError(
                    .unreadable,
                    PathRedaction.printablePath(explicitPath).map { "\($0): there is no such kubeconfig" }
                        ?? "there is no kubeconfig at the path given; the path of a file is expected, not its content"
                )
            }
            return try select(try Kubeconfig(files: [explicitPath]))
        }
        guard !isKubeconfig(environment["KUBECONFIG"] ?? "") else { throw content("KUBECONFIG") }
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
                    "KUBECONFIG names \(paths.joined(separator: ", ")), where there is no cluster; correct or unset it"
                )
            }
            return try select(kubeconfig)
        }
        let folder = serviceAccountFolder ?? InClusterConfiguration.folder
        if context == nil, InClusterConfiguration.isAvailable(environment: environment, folder: folder) {
            return reporting(try InClusterConfiguration.load(environment: environment, folder: folder))
        }
        let home = homeFile(in: environment)
        let kubeconfig = try Kubeconfig(files: home.map { [$0] } ?? [])
        guard !kubeconfig.isEmpty else {
            throw ConfigurationError(
                .notConfigured,
                "no cluster is configured: looked at KUBECONFIG (not set), the pod's service account (not in a pod) "
                    + "and \(home ?? "~/.kube/config") (not there, or empty); set KUBECONFIG to a kubeconfig file"
            )
        }
        return try select(kubeconfig)
    }

    /// Names of the contexts of the kubeconfig that `load` would read, in order; none where it cannot be read.
    package static func contextNames(explicitPath: String?, environment: [String: String]) -> [String] {
        let listed = files(in: environment)
        let home = homeFile(in: environment).map { [$0] } ?? []
        let kubeconfig = try? Kubeconfig(
            files: explicitPath.map { [$0] } ?? (listed.isEmpty ? home : listed))
        return kubeconfig?.contexts.keys.sorted() ?? []
    }

    /// Whether what should be a path is the text of a kubeconfig, which holds credentials: YAML or JSON.
    private static func isKubeconfig(_ path: String) -> Bool {
        path.contains(where: \.isNewline) || path.hasPrefix("{")
            || (path.contains("apiVersion:") && CredentialFile.isMissing(path))
    }

    private static func content(_ setting: String) -> ConfigurationError {
        ConfigurationError(
            .invalid,
            "\(setting) holds a kubeconfig itself, and the path of one is expected; write it to a file and name that"
        )
    }

    private static func reporting(_ configuration: ClusterConfiguration) -> ClusterConfiguration {
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
