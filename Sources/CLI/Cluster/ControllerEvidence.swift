import FoundationEssentials
import KubeClient
import Resources

/// Whether a controller looks after WrappedSecrets, by what they show: a controller sets `status.observedGeneration` of
/// each object that it watches.
struct ControllerEvidence {
    private let seen: Int
    /// Created a while ago, and no controller has looked at them.
    private let unseen: [ObjectMeta]
    /// Whether an object is so new that a controller may not have come to it.
    let isPending: Bool
    private let now: Date
    /// The newest sign of a controller; nil: there is none. A status outlives the controller that wrote it.
    private let newest: (time: Date, object: ObjectRef)?

    /// Seconds after which what a controller wrote is no proof that it still runs. It writes nothing where nothing changes.
    private static let freshness: TimeInterval = 300

    /// Seconds within which a controller has looked at a new object, even if many are waiting.
    private static let patience: TimeInterval = 10

    init(_ items: [Decoded<WrappedSecret>], now: Date) {
        let observed = items.map { item -> (metadata: ObjectMeta, generation: Int64) in
            let status =
                switch item {
                case .object(let object): object.status
                case .malformed(_, let status, _): status
                }
            return (item.metadata, status?.observedGeneration ?? -1)
        }
        newest = items.filter { $0.status?.observedGeneration ?? -1 >= 0 }.compactMap { item in
            Self.lastSign(item).map { (time: $0, object: item.metadata.ref) }
        }.max { $0.time < $1.time }
        seen = observed.count { $0.generation >= 0 }
        let unobserved = observed.filter { $0.generation < 0 }.map(\.metadata)
        unseen = unobserved.filter { Self.age($0, now) > Self.patience }
        isPending = unseen.isEmpty && !unobserved.isEmpty
        self.now = now
    }

    var verdict: KeyDiagnostics.Finding.Verdict {
        guard let first = unseen.first else {
            guard seen > 0 else {
                return .skipped("no WrappedSecret shows it, nor a Lease that this user may list")
            }
            guard let newest else { return .skipped("no WrappedSecret shows when one was last looked at") }
            guard now.timeIntervalSince(newest.time) > Self.freshness else { return .passed }
            return .skipped(
                "the last sign of one is of \(newest.time.formatted(.iso8601)), at WrappedSecret \(newest.object); an idle "
                    + "controller leaves none, so see that one runs")
        }
        let others = unseen.count > 1 ? " (and \(unseen.count - 1) more)" : ""
        return .failed(
            "WrappedSecret \(first.ref)\(others) was created \(Int(Self.age(first, now))) s ago, and no controller has "
                + "looked at it; see that one runs, that it watches that namespace (--watch-namespace, in the chart "
                + "controller.watchNamespaces) and that its --label-selector selects the object")
    }

    /// Whether what objects show is old, so that it proves nothing of today.
    var isStale: Bool {
        if case .skipped = verdict { seen > 0 } else { false }
    }

    /// When a controller last wrote of an object that it has seen: not before the object was created.
    private static func lastSign(_ item: Decoded<WrappedSecret>) -> Date? {
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
