import FoundationEssentials
import JSON
import KubeClient
import Resources

/// What the controllers of a cluster watch, by the Leases of those that lead.
struct ControllerScopes {
    private let scopes: [(lease: ObjectRef, scope: PublishedWatchScope)]

    /// Seconds that a holder may be late, and that the clocks of two machines may differ.
    private static let patience: TimeInterval = 60

    init(_ leases: [ControllerLease], now: Date) {
        scopes = leases.compactMap { lease in
            guard lease.isHeld, let renewed = lease.renewTime,
                now.timeIntervalSince(renewed) <= lease.leaseDuration + Self.patience,
                let scope = PublishedWatchScope(lease.metadata)
            else { return nil }
            return (lease.metadata.ref, scope)
        }
    }

    /// Nil if this user may not list Leases.
    init?(of client: KubeClient, now: Date) async {
        guard
            let page = try? await client.list(
                ControllerLease.self, Selection(labelSelector: PublishedWatchScope.label))
        else { return nil }
        self.init(
            page.items.compactMap { item in
                if case .object(let lease) = item { lease } else { nil }
            }, now: now)
    }

    /// Nil if no running controller publishes anything that tells.
    ///
    /// - Parameter namespace: nil: all.
    func verdict(_ namespace: String?) -> KeyDiagnostics.Finding.Verdict? {
        let covering = scopes.filter { scope in
            namespace.map { scope.scope.covers($0) } ?? scope.scope.namespaces.isEmpty
        }
        guard !scopes.isEmpty, let namespace = namespace ?? (covering.isEmpty ? nil : "") else { return nil }
        guard !covering.isEmpty else {
            let others = scopes.map { "\($0.lease) watches \($0.scope.namespaces.joined(separator: ", "))" }
            return .failed(
                "no controller watches namespace \(namespace) (\(others.joined(separator: "; "))); add it to "
                    + "--watch-namespace, in the chart controller.watchNamespaces")
        }
        let selectors = covering.compactMap(\.scope.labelSelector)
        guard selectors.count == covering.count else { return .passed }
        return .skipped("for WrappedSecrets with the labels \(selectors.joined(separator: " or ")) alone")
    }
}

/// A Lease, as far as it says what its holder watches.
struct ControllerLease: KubeObject {
    static let resource = Resource(
        group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases")

    let metadata: ObjectMeta
    /// Whether a controller leads by it. A holder that released it leaves no name.
    let isHeld: Bool
    /// By the holder's clock; nil: the Lease does not say.
    let renewTime: Date?
    /// Seconds.
    let leaseDuration: TimeInterval

    private struct Spec: JSONReadable {
        private(set) var holder = ""
        private(set) var renewTime: String?
        private(set) var seconds: Int?

        init(json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "holderIdentity": holder = try json.readIfValid() ?? ""
                case "renewTime": renewTime = try json.readIfValid()
                case "leaseDurationSeconds": seconds = try json.readIfValid()
                default: break
                }
            }
        }
    }

    init(json: inout JSONReader) throws(JSONError) {
        var metadata: ObjectMeta?
        var spec: Spec?
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "metadata": metadata = try json.read()
            case "spec": spec = try json.readIfValid()
            default: break
            }
        }
        self.metadata = try json.require(metadata, "metadata")
        isHeld = spec?.holder.isEmpty == false
        // Without the fraction of a second.
        renewTime = (spec?.renewTime?.split(whereSeparator: { ".Z".contains($0) }).first).flatMap {
            try? Date("\($0)Z", strategy: .iso8601)
        }
        leaseDuration = TimeInterval(min(max(spec?.seconds ?? 0, 0), 3600))
    }
}
