/// What the controller denies unless its operator allows it, because a Secret of that kind has an effect beyond its
/// namespace. Token types are not among it: no operator can allow those (`TemplateRules`).
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

    /// Types that the operator can allow.
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

/// Helm keeps its releases in Secrets. A user who can write one decides what the next `helm upgrade`, `rollback` or
/// `uninstall` does, with the rights of the person who runs it.
package enum HelmRelease {
    package static let type = "helm.sh/release.v1"
    private static let namePrefix = "sh.helm.release.v"
    private static let owner = (label: "owner", value: "helm")

    /// Returns the property by which Helm takes a Secret for a release, in words; nil if Helm ignores the Secret.
    ///
    /// Helm reads a release by its name, or lists releases by the label, and never looks at the type.
    package static func identifyingProperty(name: String, type: String, labels: [String: String]) -> String? {
        if type == Self.type { return "type \(type)" }
        if name.hasPrefix(namePrefix) { return "name \(name)" }
        if labels[owner.label] == owner.value { return "label \(owner.label)=\(owner.value)" }
        return nil
    }
}
