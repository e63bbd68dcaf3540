import Resources

/// Labels and annotations that tools which apply manifests (kubectl, Argo CD, Flux, Helm, kustomize, kapp, werf,
/// kluctl, Spinnaker, Rancher) use to track an object or as instructions.
///
/// They do harm on a Secret that the controller creates: Argo CD adopts a Secret with its tracking label and prunes it,
/// and Helm refuses to upgrade. An instruction is meant for the object that the tool applies: the WrappedSecret.
enum ApplyToolMetadata {
    enum Treatment {
        /// An instruction, which belongs on the WrappedSecret.
        case moved
        /// The tool's own bookkeeping, which belongs nowhere.
        case dropped
    }

    /// Returns nil if `spec.template` may hold the label.
    static func treatment(label key: String) -> Treatment? {
        treatment(
            key, isForbidden: TemplateValidation.isForbidden(label: key) || trackingLabels.contains(key))
    }

    /// Returns nil if `spec.template` may hold the annotation.
    static func treatment(annotation key: String) -> Treatment? {
        treatment(key, isForbidden: TemplateValidation.isForbidden(annotation: key))
    }

    /// Returns one line for each label and annotation of a template that an apply tool would act on.
    static func warnings(labels: [String: String], annotations: [String: String]) -> [String] {
        let found =
            labels.keys.filter { treatment(label: $0) != nil }.sorted().map { "label \($0)" }
            + annotations.keys.filter { treatment(annotation: $0) != nil }.sorted().map { "annotation \($0)" }
        return found.map {
            "\($0) of spec.template is copied to the Secret, which no apply tool manages; remove it, or move it to the "
                + "WrappedSecret's own metadata"
        }
    }

    private static func treatment(_ key: String, isForbidden: Bool) -> Treatment? {
        if instructions.contains(key) || instructionPrefixes.contains(where: key.hasPrefix) { return .moved }
        return isForbidden || trackingPrefixes.contains(where: key.hasPrefix) ? .dropped : nil
    }

    private static let instructions: Set<String> = [
        "argocd.argoproj.io/sync-wave", "argocd.argoproj.io/sync-options",
        "argocd.argoproj.io/compare-options",
        "argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy",
        "argocd.argoproj.io/ignore-healthcheck", "argocd.argoproj.io/ignore-resource-updates",
        "kustomize.toolkit.fluxcd.io/prune", "kustomize.toolkit.fluxcd.io/reconcile",
        "kustomize.toolkit.fluxcd.io/force", "kustomize.toolkit.fluxcd.io/ssa",
        "kustomize.toolkit.fluxcd.io/substitute", "helm.toolkit.fluxcd.io/driftDetection",
        "helm.sh/resource-policy", "cli-utils.sigs.k8s.io/on-remove",
        "client.lifecycle.config.k8s.io/deletion", "client.lifecycle.config.k8s.io/mutation",
        "config.kubernetes.io/depends-on", "config.kubernetes.io/local-config",
        "kapp.k14s.io/delete-strategy", "kapp.k14s.io/update-strategy",
        "pulumi.com/skipAwait", "pulumi.com/patchForce",
    ]

    /// Prefixes of keys such as `helm.sh/hook-weight` and `kapp.k14s.io/change-rule.db`.
    private static let instructionPrefixes = [
        "helm.sh/hook", "kapp.k14s.io/change-group", "kapp.k14s.io/change-rule",
        "werf.io/weight", "werf.io/deploy-dependency-", "werf.io/delete-", "werf.io/ownership",
        "werf.io/deploy-on", "werf.io/fail", "werf.io/track-termination-mode", "werf.io/no-activity-timeout",
        "werf.io/sensitive", "werf.io/skip-logs", "werf.io/show-", "werf.io/log-",
        "kluctl.io/delete", "kluctl.io/skip-delete", "kluctl.io/force-", "kluctl.io/ignore-",
        "kluctl.io/hook", "kluctl.io/wait-readiness", "kluctl.io/is-ready", "kluctl.io/diff-name",
        "strategy.spinnaker.io/", "traffic.spinnaker.io/", "caching.spinnaker.io/",
    ]

    /// Argo CD before version 3 finds an application's objects by this label, unless configured otherwise.
    private static let trackingLabels: Set<String> = ["app.kubernetes.io/instance"]

    private static let trackingPrefixes = [
        "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id", "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "fluxcd.io/",
        "meta.helm.sh/", "helm.sh/",
        "kustomize.config.k8s.io/", "config.kubernetes.io/", "internal.config.kubernetes.io/",
        "config.k8s.io/", "cli-utils.sigs.k8s.io/",
        "kubectl.kubernetes.io/last-applied-configuration", "applyset.kubernetes.io/",
        "kapp.k14s.io/", "objectset.rio.cattle.io/", "fleet.cattle.io/", "tanka.dev/", "skaffold.dev/",
        "field.cattle.io/projectId", "field.cattle.io/creatorId", "cattle.io/creator",
        "werf.io/", "project.werf.io/", "ci.werf.io/", "kluctl.io/",
        "moniker.spinnaker.io/", "artifact.spinnaker.io/",
        "sealedsecrets.bitnami.com/managed", "sealedsecrets.bitnami.com/skip-set-owner-references",
    ]
}
