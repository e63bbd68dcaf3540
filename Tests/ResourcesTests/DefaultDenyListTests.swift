import Testing

@testable import Resources

@Suite struct DefaultDenyListTests {
    private func warnings(
        name: String = "db", type: String = "Opaque", labels: [String: String] = [:],
        annotations: [String: String] = [:]
    ) -> [String] {
        DefaultDenyList.warnings(name: name, type: type, labels: labels, annotations: annotations)
    }

    /// The keys as the controllers that copy Secrets document them.
    @Test(arguments: [
        "reflector.v1.k8s.emberstack.com/reflection-auto-enabled", "replicator.v1.mittwald.de/replicate-to",
        "v1.kubernetes-replicator.olli.com/replicate-to-namespaces", "kubed.appscode.com/sync",
        "propagate.hnc.x-k8s.io/select", "propagate.hnc.x-k8s.io/treeSelect", "hnc.x-k8s.io/inherited-from",
        "accurate.cybozu.com/propagate", "synator/sync", "synator/include-namespaces",
        "secret.sync.klst.pw/all-namespaces", "secret-copier.deckhouse.io/enabled",
        "replizieren.dev/replicate-all", "clustersecret.io", "clustersecret.io/created-by",
        "management.cattle.io/project-scoped-secret", "vcluster.loft.sh/force-sync",
        "cluster.open-cluster-management.io/backup", "propagationpolicy.karmada.io/name",
        "clusterpropagationpolicy.karmada.io/name",
    ])
    func warnsAboutKeysThatCopyASecret(key: String) {
        #expect(warnings(labels: [key: "x"]).count == 1)
        #expect(warnings(annotations: [key: "x"]).first?.contains("annotation \(key)") == true)
    }

    @Test(arguments: [
        "team", "reloader.stakater.com/match", "velero.io/exclude-from-backup", "x.hnc.x-k8s.io.example/a",
    ])
    func acceptsOtherKeys(key: String) {
        #expect(warnings(labels: [key: "x"], annotations: [key: "x"]) == [])
    }

    @Test func recognizesHelmReleasesByTypeNameAndLabel() {
        #expect(warnings(type: "helm.sh/release.v1").first?.hasPrefix("type helm.sh/release.v1 ") == true)
        #expect(
            warnings(name: "sh.helm.release.v1.api.v3").first?.hasPrefix("name sh.helm.release.v1.api.v3 ")
                == true)
        #expect(warnings(labels: ["owner": "helm"]).first?.hasPrefix("label owner=helm ") == true)
        #expect(warnings(name: "helm", type: "helm.sh/other", labels: ["owner": "team-helm"]) == [])
    }
}
