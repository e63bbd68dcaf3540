import FoundationEssentials
import JSON
import KubeClient
import Resources
import System

/// Evidence in WrappedSecrets that a controller reconciles them: it sets `status.observedGeneration` of each object in
/// its watch scope.
struct ControllerEvidence {
    /// The number of objects that a controller has observed.
    private let observedCount: Int
    /// Objects that were created a while ago and that no controller has observed.
    private let unobserved: [ObjectMeta]
    /// True if all unobserved objects are so new that a controller may not have reached them.
    let isPending: Bool
    private let now: Date
    /// The latest time in a status, and its object. A status outlives the controller that wrote it.
    private let newest: (time: Date, object: ObjectRef)?

    /// The seconds after which a status is no proof that the controller still runs. It writes nothing while nothing
    /// changes.
    private static let freshness: TimeInterval = 300

    /// The seconds within which a controller observes a new object, even with a long queue.
    private static let observationDelay: TimeInterval = 10

    init(_ items: [Decoded<WrappedSecret>], now: Date) {
        let observed = items.filter { $0.status?.observedGeneration ?? -1 >= 0 }
        observedCount = observed.count
        newest = observed.compactMap { item in
            Self.lastTimestamp(item).map { (time: $0, object: item.metadata.ref) }
        }.max { $0.time < $1.time }
        let others = items.filter { $0.status?.observedGeneration ?? -1 < 0 }.map(\.metadata)
        unobserved = others.filter { Self.age($0, now) > Self.observationDelay }
        isPending = unobserved.isEmpty && !others.isEmpty
        self.now = now
    }

    var verdict: Finding.Verdict {
        guard let first = unobserved.first else {
            guard observedCount > 0 else {
                return .skipped("no WrappedSecret has a status, and this user sees no controller's Lease")
            }
            guard let newest else { return .skipped("no status of a WrappedSecret has a time") }
            guard now.timeIntervalSince(newest.time) > Self.freshness else { return .passed }
            return .skipped(
                "the latest status is from \(newest.time.formatted(.iso8601)), of WrappedSecret \(newest.object); an idle "
                    + "controller writes none, so check that it runs")
        }
        let others = unobserved.count > 1 ? " (and \(unobserved.count - 1) more)" : ""
        return .failed(
            "WrappedSecret \(first.ref)\(others) was created \(Int(Self.age(first, now))) s ago, and no controller has "
                + "observed it; check that one runs, that it watches the namespace (--watch-namespace, in the chart "
                + "controller.watchNamespaces) and that its --label-selector selects the object")
    }

    /// True if objects were observed, but too long ago to prove that a controller runs.
    var isStale: Bool {
        if case .skipped = verdict { observedCount > 0 } else { false }
    }

    /// Returns the latest time that a controller wrote to an observed object, or the object's creation.
    private static func lastTimestamp(_ item: Decoded<WrappedSecret>) -> Date? {
        let times =
            [item.metadata.creationTimestamp, item.status?.lastSyncTime, item.status?.lastVerifiedTime]
            + (item.status?.conditions ?? []).map { $0.lastTransitionTime }
        return times.compactMap { $0.flatMap { try? Date($0, strategy: .iso8601) } }.max()
    }

    private static func age(_ metadata: ObjectMeta, _ now: Date) -> TimeInterval {
        guard let text = metadata.creationTimestamp, let created = try? Date(text, strategy: .iso8601) else {
            return 0
        }
        return min(now.timeIntervalSince(created), 1e9)
    }
}

/// The watch scopes that the leading controllers of a cluster publish in their Leases.
struct ControllerScopes {
    private let scopes: [(lease: ObjectRef, scope: PublishedWatchScope)]

    /// The seconds that a renewal may be late, plus the difference of two machines' clocks.
    private static let clockTolerance: TimeInterval = 60

    init(_ leases: [Lease], now: Date) {
        scopes = leases.compactMap { lease in
            guard lease.isHeld, let renewed = lease.renewalDate,
                now.timeIntervalSince(renewed) <= lease.duration + Self.clockTolerance,
                let scope = PublishedWatchScope(lease.metadata)
            else { return nil }
            return (lease.metadata.ref, scope)
        }
    }

    /// Returns nil if the user may not list Leases.
    init?(of client: KubeClient, now: Date) async {
        guard
            let page = try? await client.list(
                Lease.self, Selection(labelSelector: PublishedWatchScope.label))
        else { return nil }
        self.init(
            page.items.compactMap { item in
                if case .object(let lease) = item { lease } else { nil }
            }, now: now)
    }

    /// Returns nil if no running controller publishes a scope that answers the question.
    ///
    /// - Parameter namespace: The namespace to check, or nil for all namespaces.
    func verdict(_ namespace: String?) -> Finding.Verdict? {
        let covering = scopes.filter { scope in
            namespace.map { scope.scope.covers($0) } ?? scope.scope.namespaces.isEmpty
        }
        guard !scopes.isEmpty, let namespace = namespace ?? (covering.isEmpty ? nil : "") else { return nil }
        guard !covering.isEmpty else {
            let others = scopes.map { "\($0.lease) watches \($0.scope.namespaces.listed())" }.prefix(4)
            let more = scopes.count > others.count ? "; and \(scopes.count - others.count) more" : ""
            return .failed(
                "no controller watches namespace \(namespace) (\(others.joined(separator: "; "))\(more)); add it to "
                    + "--watch-namespace, in the chart controller.watchNamespaces")
        }
        let selectors = covering.compactMap(\.scope.labelSelector)
        guard selectors.count == covering.count else { return .passed }
        return .skipped(
            "only WrappedSecrets with the labels \(selectors.prefix(4).map(\.asOneLine).joined(separator: " or ")) are watched"
        )
    }
}

extension Lease {
    /// True if a controller leads. A holder that releases the Lease clears its name.
    fileprivate var isHeld: Bool { spec?.holderIdentity?.isEmpty == false }

    /// The time of the last renewal by the holder's clock, if the Lease has one.
    fileprivate var renewalDate: Date? {
        // The ISO 8601 parser takes no fraction of a second.
        (spec?.renewTime?.split(whereSeparator: { ".Z".contains($0) }).first).flatMap {
            try? Date("\($0)Z", strategy: .iso8601)
        }
    }

    /// The lease duration in seconds, at most an hour.
    fileprivate var duration: TimeInterval {
        TimeInterval(min(max(spec?.leaseDurationSeconds ?? 0, 0), 3600))
    }
}
