package import KubeClient

/// What a controller watches, as it publishes it on its Lease when it becomes the leader: labels and annotations by which
/// `secrets-bridge doctor` finds out whether a namespace is watched.
package struct PublishedWatchScope: Sendable, Equatable {
    /// Label of the Lease, with the value "published".
    package static let label = "secrets-bridge.io/watch-scope"
    private static let namespacesKey = "secrets-bridge.io/watch-namespaces"
    private static let selectorKey = "secrets-bridge.io/label-selector"

    /// Empty: all.
    package let namespaces: [String]
    /// Nil: objects with any labels.
    package let labelSelector: String?

    package init(namespaces: [String], labelSelector: String?) {
        self.namespaces = namespaces
        self.labelSelector = labelSelector
    }

    /// Nil if the Lease says nothing.
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

    package func covers(_ namespace: String) -> Bool {
        namespaces.isEmpty || namespaces.contains { $0.utf8.elementsEqual(namespace.utf8) }
    }
}
