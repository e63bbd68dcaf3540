import FoundationEssentials
import KubeClient
import Resources
import System

/// How the two watches of a namespace, or of all, get on.
struct WatchScopeProgress: Sendable {
    /// A watch that has made no progress for so long since something went wrong is told of by readiness. A watch after
    /// a failure lasts 30 s, and brings a bookmark if nothing else.
    static let stallThreshold = Duration.seconds(120)

    /// The namespace, where several are watched.
    let namespace: String?
    let objects: WatchProgress
    let secrets: WatchProgress

    init(namespace: String? = nil, now: @escaping @Sendable () -> SuspendingClock.Instant = { .now }) {
        let wallClock: @Sendable () -> Double = { Date.now.timeIntervalSince1970 }
        self.namespace = namespace
        objects = WatchProgress(now: now, wallClock: wallClock)
        secrets = WatchProgress(now: now, wallClock: wallClock)
    }

    var watches: [(resource: Resource, progress: WatchProgress)] {
        [(WrappedSecret.resource, objects), (.secrets, secrets)]
    }

    /// Watches that are stuck, a line for each resource. The log, and not a page, names namespaces.
    static func problems(_ shards: [WatchScopeProgress]) -> [String] {
        let stuck = shards.flatMap { shard in
            shard.watches.compactMap {
                resource, progress -> (resource: String, stall: WatchProgress.Stall)? in
                guard let stall = progress.stall, stall.duration > stallThreshold,
                    !shard.isAccepted(stall, progress)
                else { return nil }
                return (resource.plural, stall)
            }
        }
        return [WrappedSecret.resource.plural, Resource.secrets.plural].compactMap { resource in
            let stalls = stuck.filter { $0.resource == resource }.map(\.stall)
            guard let longest = stalls.max(by: { $0.duration < $1.duration }) else { return nil }
            let place = shards.count > 1 ? " in \(stalls.count) of \(shards.count) namespaces" : ""
            return "watch of \(resource)\(place): no progress for \(longest.duration.components.seconds) s, "
                + "\(longest.failures) failures, the last one: \(longest.reason)"
        }
    }

    /// Of several namespaces, one may be taken from the controller, with its RoleBinding: the others are served on.
    private func isAccepted(_ stall: WatchProgress.Stall, _ progress: WatchProgress) -> Bool {
        namespace != nil && progress.lastProgress != nil && stall.reason == KubeError.Code.forbidden.rawValue
    }
}
