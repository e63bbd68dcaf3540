import JSON
import KubeClient
import Resources

/// What the controllers of a cluster watch, by the Leases of those that lead.
struct WatchScopes {
    private let scopes: [(lease: ObjectRef, scope: PublishedScope)]

    init(_ leases: [ScopeLease]) {
        scopes = leases.compactMap { lease in
            guard lease.isHeld, let scope = PublishedScope(lease.metadata) else { return nil }
            return (lease.metadata.ref, scope)
        }
    }

    /// Nil if this user may not list Leases.
    init?(of client: KubeClient) async {
        guard
            let page = try? await client.list(
                ScopeLease.self, Selection(labelSelector: PublishedScope.label))
        else { return nil }
        self.init(
            page.items.compactMap { item in
                if case .object(let lease) = item { lease } else { nil }
            })
    }

    /// Nil if no controller publishes anything.
    func verdict(_ namespace: String) -> KeyCheckup.Finding.Verdict? {
        guard !scopes.isEmpty else { return nil }
        let covering = scopes.filter { $0.scope.covers(namespace) }
        guard !covering.isEmpty else {
            let others = scopes.map { "\($0.lease) watches \($0.scope.namespaces.joined(separator: ", "))" }
            return .fails(
                "no controller watches namespace \(namespace) (\(others.joined(separator: "; "))); add it to "
                    + "--watch-namespace, in the chart controller.watchNamespaces")
        }
        let selectors = covering.compactMap(\.scope.labelSelector)
        guard selectors.count == covering.count else { return .works }
        return .untried("for WrappedSecrets with the labels \(selectors.joined(separator: " or ")) alone")
    }
}

/// A Lease, as far as it says what its holder watches.
struct ScopeLease: KubeObject {
    static let resource = Resource(
        group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases")

    let metadata: ObjectMeta
    /// Whether a controller leads by it. A holder that released it leaves no name.
    let isHeld: Bool

    private struct Spec: JSONReadable {
        private(set) var holder = ""

        init(json: inout JSONReader) throws(JSONError) {
            try json.object { key, json throws(JSONError) in
                if case "holderIdentity" = key { holder = try json.readable() ?? "" }
            }
        }
    }

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        try json.object { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "spec": spec = try json.readable()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        isHeld = spec?.holder.isEmpty == false
    }
}
