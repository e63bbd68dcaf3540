/// Properties of a template that the controller denies unless its operator allows them, because such a Secret has an
/// effect beyond its namespace. Token types are always denied (`TemplateValidation`).
package enum DefaultDenyList {
    /// Prefixes of the labels and annotations by which controllers copy a Secret into other namespaces or clusters, or
    /// recognize a Secret as such a copy. A template that sets one could send its values anywhere.
    package static let metadataPrefixes = [
        "reflector.v1.k8s.emberstack.com/",  // Reflector
        "replicator.v1.mittwald.de/",  // kubernetes-replicator
        "v1.kubernetes-replicator.olli.com/",  // its fork
        "kubed.appscode.com/",  // Kubed, Config Syncer
        "config-syncer.appscode.com/",
        "propagate.hnc.x-k8s.io/",  // Hierarchical Namespace Controller
        "hnc.x-k8s.io/",
        "accurate.cybozu.com/",  // Accurate
        "synator/",  // Synator
        "secret.sync.klst.pw/",  // sync-secrets-controller
        "secret-copier.deckhouse.io/",  // Deckhouse
        "replizieren.dev/",  // Replizieren
        "clustersecret.io",  // ClusterSecret: the label has no name after a slash
        "management.cattle.io/project-scoped-secret",  // Rancher, into all namespaces of a project
        "vcluster.loft.sh/",  // vCluster, to the host cluster
        "cluster.open-cluster-management.io/",  // Open Cluster Management, to its hub
        "propagationpolicy.karmada.io/",  // Karmada, to member clusters
        "clusterpropagationpolicy.karmada.io/",
    ]

    /// Denied types that an operator can allow.
    package static let secretTypes: Set<String> = [HelmRelease.type]

    /// Returns one line for each property of a template that a controller with default settings refuses.
    package static func warnings(
        name: String, type: String, labels: [String: String], annotations: [String: String]
    ) -> [String] {
        var warnings: [String] = []
        for (kind, keys) in [("label", labels.keys), ("annotation", annotations.keys)] {
            for key in keys.sorted() where metadataPrefixes.contains(where: key.hasPrefix) {
                warnings.append(
                    "\(kind) \(key) makes another controller copy the Secret elsewhere; the controller refuses it "
                        + "unless its operator allows it (--deny-template-metadata)")
            }
        }
        if let property = HelmRelease.identifyingProperty(name: name, type: type, labels: labels) {
            warnings.append(
                "\(property) makes the Secret a release of Helm; the controller refuses it unless its operator "
                    + "allows it (--allow-secret-types \(HelmRelease.type))")
        }
        return warnings
    }
}

/// Recognizes the Secrets in which Helm stores its releases. A user who can write one decides what the next
/// `helm upgrade`, `rollback` or `uninstall` does, with the permissions of the user who runs it.
package enum HelmRelease {
    package static let type = "helm.sh/release.v1"
    private static let namePrefix = "sh.helm.release.v"
    private static let owner = (label: "owner", value: "helm")

    /// Returns the property that makes Helm read a Secret as a release, for messages, or nil if Helm ignores the Secret.
    ///
    /// Helm gets a release by its name, or lists releases by the label, and never checks the type.
    package static func identifyingProperty(name: String, type: String, labels: [String: String]) -> String? {
        if type == Self.type { return "type \(type)" }
        if name.hasPrefix(namePrefix) { return "name \(name)" }
        if labels[owner.label] == owner.value { return "label \(owner.label)=\(owner.value)" }
        return nil
    }
}
