import FoundationEssentials
import KubeClient
import Resources

/// Whether a controller looks after WrappedSecrets, by what they show: a controller sets `status.observedGeneration` of
/// each object that it watches.
struct WatchEvidence {
    private let seen: Int
    /// Created a while ago, and no controller has looked at them.
    private let unseen: [ObjectMeta]
    /// Whether an object is so new that a controller may not have come to it.
    let isPending: Bool
    private let now: Date

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
        seen = observed.count { $0.generation >= 0 }
        let unobserved = observed.filter { $0.generation < 0 }.map(\.metadata)
        unseen = unobserved.filter { Self.age($0, now) > Self.patience }
        isPending = unseen.isEmpty && !unobserved.isEmpty
        self.now = now
    }

    var verdict: KeyCheckup.Finding.Verdict {
        guard let first = unseen.first else {
            return seen > 0
                ? .works
                : .untried(
                    "no WrappedSecret shows it, nor a Lease that this user may list")
        }
        let others = unseen.count > 1 ? " (and \(unseen.count - 1) more)" : ""
        return .fails(
            "WrappedSecret \(first.ref)\(others) was created \(Int(Self.age(first, now))) s ago, and no controller has "
                + "looked at it; see that one runs, that it watches that namespace (--watch-namespace, in the chart "
                + "controller.watchNamespaces) and that its --label-selector selects the object")
    }

    private static func age(_ metadata: ObjectMeta, _ now: Date) -> TimeInterval {
        guard let text = metadata.creationTimestamp, let created = try? Date(text, strategy: .iso8601) else {
            return 0
        }
        return min(now.timeIntervalSince(created), 1e9)
    }
}
