import HTTP
import System
import YAML

/// One kubeconfig, or several that are merged as kubectl merges them: the first file that sets a value wins, and an entry
/// of a list is taken as a whole, by its name, from the first file that has it.
///
/// Source: kubeconfig (v1); "Organizing Cluster Access Using kubeconfig Files", Merging kubeconfig files.
struct Kubeconfig {
    private(set) var currentContext: String?
    private(set) var clusters: [String: KubeconfigFields] = [:]
    private(set) var users: [String: KubeconfigFields] = [:]
    private(set) var contexts: [String: KubeconfigFields] = [:]
    /// The files that were read, for errors.
    private(set) var files: [String] = []

    var isEmpty: Bool { clusters.isEmpty && users.isEmpty && contexts.isEmpty && currentContext == nil }

    /// - Parameter files: paths, which may be relative to the working directory. Missing files are skipped.
    init(files: [String]) throws(ConfigurationError) {
        for file in files where !CredentialFile.isMissing(file) && !self.files.contains(file) {
            try merge(file)
            self.files.append(file)
        }
    }

    private mutating func merge(_ file: String) throws(ConfigurationError) {
        let bytes = try CredentialFile.read(file, for: "the kubeconfig")
        let documents: [YAMLNode]
        do throws(YAMLError) {
            documents = try YAMLReader.documents(in: bytes, source: file)
        } catch {
            throw ConfigurationError(.invalid, "\(error)")
        }
        // As for kubectl, an empty file is a kubeconfig without entries.
        guard let root = documents.first else { return }
        guard documents.count == 1, root.entries != nil else {
            throw ConfigurationError(
                .invalid, "\(file): is not a kubeconfig; expected one mapping with kind: Config")
        }
        let fields = KubeconfigFields(node: root, file: file, path: "")
        guard try fields.string("kind") ?? "Config" == "Config" else {
            throw fields.error(.invalid, "kind", "is not Config; is this a kubeconfig?")
        }
        if currentContext == nil { currentContext = try fields.string("current-context") }
        try merge("clusters", "cluster", of: fields, into: &clusters)
        try merge("users", "user", of: fields, into: &users)
        try merge("contexts", "context", of: fields, into: &contexts)
    }

    private func merge(
        _ list: String, _ kind: String, of fields: KubeconfigFields,
        into merged: inout [String: KubeconfigFields]
    ) throws(ConfigurationError) {
        var seen: Set<String> = []
        for (index, element) in try fields.list(list).enumerated() {
            let entry = KubeconfigFields(node: element, file: fields.file, path: "\(list)[\(index)]")
            let name = try entry.required("name")
            guard seen.insert(name).inserted else {
                throw entry.error(.invalid, "name", "occurs twice in this file; remove one")
            }
            guard merged[name] == nil else { continue }
            let body = try entry.mapping(kind)?.node ?? YAMLNode(.mapping([]), range: element.range)
            merged[name] = KubeconfigFields(
                node: body, file: fields.file, path: "\(list)[\"\(name.sanitizedName)\"].\(kind)")
        }
    }
}

/// The cluster, the user and the namespace that a context of a kubeconfig selects.
struct KubeconfigSelection {
    let cluster: KubeconfigFields
    /// The user, or nil for anonymous access.
    let user: KubeconfigFields?
    let namespace: String

    /// - Parameter context: the name of the context, or nil for the current one.
    init(_ kubeconfig: Kubeconfig, context: String?) throws(ConfigurationError) {
        let files = kubeconfig.files.listed()
        let names = kubeconfig.contexts.keys.sorted().listed()
        guard let name = context ?? kubeconfig.currentContext else {
            throw ConfigurationError(
                .notConfigured,
                "\(files): current-context is not set; set it, or choose a context"
                    + (names.isEmpty ? " (the file has none)" : ": \(names)"))
        }
        guard let fields = kubeconfig.contexts[name] else {
            throw ConfigurationError(
                .invalid,
                "\(files): there is no context \"\(name.sanitizedName)\"; the contexts are: \(names.isEmpty ? "none" : names)"
            )
        }
        let clusterName = try fields.required("cluster")
        guard let cluster = kubeconfig.clusters[clusterName] else {
            throw fields.error(
                .invalid, "cluster", "names \"\(clusterName.sanitizedName)\", which is not among the clusters"
            )
        }
        self.cluster = cluster
        if let userName = try fields.string("user") {
            guard let user = kubeconfig.users[userName] else {
                throw fields.error(
                    .invalid, "user", "names \"\(userName.sanitizedName)\", which is not among the users")
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
        configuration.acceptsCompression = try !cluster.bool("disable-compression")
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
