import KubeClient

/// A controller that keeps a Secret without owning it, by what it sets on the Secret: it would write it again.
struct ExternalController: Sendable {
    let name: String

    /// Nil if no controller is known to keep it.
    init?(of metadata: ObjectMeta) {
        let labels = metadata.labels ?? [:]
        let annotations = metadata.annotations ?? [:]
        let found = Self.known.first { _, label, annotation in
            labels.keys.contains { key in label.contains(where: key.hasPrefix) }
                || annotations.keys.contains { key in annotation.contains(where: key.hasPrefix) }
        }
        guard let found else { return nil }
        name = found.name
    }

    /// Beginnings of keys of labels and annotations.
    private static let known: [(name: String, labels: [String], annotations: [String])] = [
        ("cert-manager", ["controller.cert-manager.io/fao"], ["cert-manager.io/certificate-name"]),
        (
            "External Secrets", ["reconcile.external-secrets.io/"],
            ["reconcile.external-secrets.io/data-hash"]
        ),
        (
            "Reflector", [],
            [
                "reflector.v1.k8s.emberstack.com/reflects",
                "reflector.v1.k8s.emberstack.com/reflected-",
                "reflector.v1.k8s.emberstack.com/auto-reflects",
            ]
        ),
        ("kubernetes-replicator", [], ["replicator.v1.mittwald.de/replicated-"]),
    ]
}
