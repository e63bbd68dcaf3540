package import KubeClient

/// The namespaces and labels that a controller watches. The leader publishes them in labels and annotations of its
/// Lease, from which `secrets-bridge doctor` learns if a controller watches a namespace.
package struct PublishedWatchScope: Sendable, Equatable {
    /// Label of the Lease, with the value "published".
    package static let label = "secrets-bridge.io/watch-scope"
    private static let namespacesKey = "secrets-bridge.io/watch-namespaces"
    private static let selectorKey = "secrets-bridge.io/label-selector"

    /// The watched namespaces; an empty list means all.
    package let namespaces: [String]
    /// The selector of the watched objects; nil selects all.
    package let labelSelector: String?

    package init(namespaces: [String], labelSelector: String?) {
        self.namespaces = namespaces
        self.labelSelector = labelSelector
    }

    /// Returns nil if the Lease publishes no scope.
    package init?(_ lease: ObjectMeta) {
        guard lease.labels?[Self.label] != nil, let list = lease.annotations?[Self.namespacesKey] else {
            return nil
        }
        let selector = lease.annotations?[Self.selectorKey] ?? ""
        self.init(
            namespaces: list.split(separator: ",").map(String.init),
            labelSelector: selector.isEmpty ? nil : selector)
    }

    package var labels: [String: String] { [Self.label: "published"] }

    package var annotations: [String: String] {
        [Self.namespacesKey: namespaces.joined(separator: ","), Self.selectorKey: labelSelector ?? ""]
    }

    /// Compares bytes, since Swift's `==` for strings ignores differences of Unicode normalization.
    package func covers(_ namespace: String) -> Bool {
        namespaces.isEmpty || namespaces.contains { $0.utf8.elementsEqual(namespace.utf8) }
    }
}
