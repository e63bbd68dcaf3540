import ArgumentParser
import KubeClient
import System

/// The connection to a cluster.
struct ClusterAccess: ParsableArguments {
    @Option(help: "A kubeconfig, instead of KUBECONFIG or ~/.kube/config.", completion: .file())
    var kubeconfig: String?

    @Option(help: "A context of the kubeconfig, instead of its current one.", completion: contextCompletion)
    var context: String?

    func client() throws -> KubeClient { KubeClient(connection: APIConnection(try configuration())) }

    /// Returns the namespace that kubectl would use: the namespace of the context, or `default`.
    ///
    /// - Throws: `CommandError` if --kubeconfig or --context cannot be used.
    func contextNamespace() throws -> String {
        guard kubeconfig == nil, context == nil else { return try configuration().defaultNamespace }
        return (try? configuration().defaultNamespace) ?? "default"
    }

    private func configuration() throws -> ClusterConfiguration {
        try loadClusterConfiguration(kubeconfig: kubeconfig, context: context)
    }
}

func loadClusterConfiguration(kubeconfig: String?, context: String?) throws -> ClusterConfiguration {
    do {
        // Credential plugins of the kubeconfig must not inherit this program's own settings.
        return try ClusterConfiguration.load(
            explicitPath: kubeconfig, context: context, environment: inheritableEnvironment())
    } catch {
        throw CommandError("\(error)")
    }
}

/// The connection to a cluster, and a selection of its objects.
struct ClusterOptions: ParsableArguments {
    @OptionGroup var access: ClusterAccess

    @Flag(name: [.customShort("A"), .long], help: "Select all namespaces of the cluster.")
    var allNamespaces = false

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp(
            "Select only objects that match this label selector, as with kubectl -l.", valueName: "selector"))
    var selector: String?

    func validate() throws {
        if let selector, let problem = LabelSelector.validationError(selector) {
            throw ValidationError("--selector: \(problem)")
        }
    }

    /// True if any of these options was given.
    var isGiven: Bool {
        allNamespaces || selector != nil || access.kubeconfig != nil || access.context != nil
    }

    func client() throws -> KubeClient { try access.client() }

    /// Returns nil if neither a namespace nor all namespaces are selected.
    func selection(namespace: String?) -> Selection? {
        if allNamespaces { return Selection(labelSelector: selector) }
        return namespace.map { Selection(namespace: $0, labelSelector: selector) }
    }
}
