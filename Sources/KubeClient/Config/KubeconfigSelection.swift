import HTTP

/// What a context of a kubeconfig amounts to.
struct KubeconfigSelection {
    let cluster: KubeconfigFields
    /// nil: anonymous.
    let user: KubeconfigFields?
    let namespace: String

    /// - Parameter context: the name of the context; nil: the current one.
    init(_ kubeconfig: Kubeconfig, context: String?) throws(ConfigurationError) {
        let files = kubeconfig.files.joined(separator: ", ")
        let names = kubeconfig.contexts.keys.sorted().joined(separator: ", ")
        guard let name = context ?? kubeconfig.currentContext else {
            throw ConfigurationError(
                .notConfigured,
                "\(files): current-context is not set; set it, or choose a context"
                    + (names.isEmpty ? "; there is none yet" : ": \(names)"))
        }
        guard let fields = kubeconfig.contexts[name] else {
            throw ConfigurationError(
                .invalid,
                "\(files): there is no context \"\(name)\"; there is: \(names.isEmpty ? "none" : names)")
        }
        let clusterName = try fields.required("cluster")
        guard let cluster = kubeconfig.clusters[clusterName] else {
            throw fields.error(
                .invalid, "cluster", "names \"\(clusterName)\", which is not among the clusters")
        }
        self.cluster = cluster
        if let userName = try fields.string("user") {
            guard let user = kubeconfig.users[userName] else {
                throw fields.error(.invalid, "user", "names \"\(userName)\", which is not among the users")
            }
            self.user = user
        } else {
            user = nil
        }
        namespace = try fields.string("namespace") ?? "default"
    }

    func configuration(
        environment: [String: String], isTerminal: Bool
    ) throws(ConfigurationError) -> ClusterConfiguration {
        let server = try KubeconfigCluster.server(of: cluster)
        let isInsecure = try cluster.bool("insecure-skip-tls-verify")
        let hasAuthority = try cluster.content("certificate-authority") != nil
        guard !isInsecure || !hasAuthority else {
            throw cluster.error(
                .invalid, "insecure-skip-tls-verify",
                "and certificate-authority exclude each other; remove one")
        }
        let authorities = try KubeconfigCluster.authorities("certificate-authority", of: cluster)
        var configuration = ClusterConfiguration(
            server: server, trust: isInsecure ? .insecure : authorities.map { .pem($0.pem) } ?? .system,
            tlsServerName: try KubeconfigCluster.serverName(of: cluster),
            proxyURL: try KubeconfigCluster.proxy(of: cluster), defaultNamespace: namespace)
        configuration.warnings = authorities?.warnings ?? []
        guard let user else { return configuration }
        let info = ExecClusterInfo(
            server: server, tlsServerName: configuration.tlsServerName, isInsecure: isInsecure,
            certificateAuthority: authorities?.pem, proxyURL: configuration.proxyURL,
            config: try KubeconfigCluster.execExtension(of: cluster))
        let reader = KubeconfigUser(fields: user, environment: environment, isTerminal: isTerminal)
        configuration.clientCertificate = try reader.clientCertificate()
        configuration.impersonation = try reader.impersonation()
        configuration.credentials = try reader.credentials(cluster: info)
        return configuration
    }
}
