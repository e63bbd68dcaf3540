import ArgumentParser
import KubeClient
import System

/// Which cluster.
struct ClusterAccess: ParsableArguments {
    @Option(help: "A kubeconfig, instead of KUBECONFIG or ~/.kube/config.", completion: .file())
    var kubeconfig: String?

    @Option(help: "A context of the kubeconfig, instead of its current one.", completion: contextCompletion)
    var context: String?

    func client() throws -> KubeClient { KubeClient(connection: APIConnection(try configuration())) }

    /// The namespace that kubectl would use: that of the context, or default.
    ///
    /// - Throws: if a kubeconfig or a context was named and cannot be used. Without any, there is no cluster to ask.
    func contextNamespace() throws -> String {
        guard kubeconfig == nil, context == nil else { return try configuration().defaultNamespace }
        return (try? configuration().defaultNamespace) ?? "default"
    }

    private func configuration() throws -> ClusterConfiguration {
        do {
            return try ClusterConfiguration.load(
                explicitPath: kubeconfig, context: context, environment: inheritableEnvironment())
        } catch {
            throw CommandError("\(error)")
        }
    }
}

/// Which cluster, and which of its objects.
struct ClusterOptions: ParsableArguments {
    @OptionGroup var access: ClusterAccess

    @Flag(name: [.customShort("A"), .long], help: "All namespaces of the cluster.")
    var allNamespaces = false

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("Those with these labels only, as in kubectl -l.", valueName: "selector"))
    var selector: String?

    func validate() throws {
        if let selector, let problem = LabelSelector.validationError(selector) {
            throw ValidationError("--selector: \(problem)")
        }
    }

    /// Whether anything is said of a cluster.
    var isGiven: Bool {
        allNamespaces || selector != nil || access.kubeconfig != nil || access.context != nil
    }

    func client() throws -> KubeClient { try access.client() }

    /// nil: neither of the cluster's namespaces is meant.
    func selection(namespace: String?) -> Selection? {
        if allNamespaces { return Selection(labelSelector: selector) }
        return namespace.map { Selection(namespace: $0, labelSelector: selector) }
    }
}
