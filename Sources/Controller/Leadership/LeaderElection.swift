package import KubeClient
import System

/// Decides when the workers of this replica may run.
package protocol LeaderElection: Sendable {
    /// Runs `work` once this replica leads, cancels it when it no longer leads, and always waits for its end. Returns
    /// without running it if a shutdown begins before.
    func run(_ work: @escaping @Sendable () async -> Void) async throws
}

/// The leader election of a controller with a single replica.
package struct AlwaysLeader: LeaderElection {
    package init() {}

    package func run(_ work: @escaping @Sendable () async -> Void) async {
        await work()
    }
}

/// Shows metrics and other observers if this replica leads. Thread-safe.
package final class Leadership: Sendable {
    private let leads = Locked(false)

    package init() {}

    package internal(set) var isLeading: Bool {
        get { leads.withLock { $0 } }
        set { leads.withLock { $0 = newValue } }
    }
}

/// This replica lost its lease. The process must end, because another replica may work now.
package struct LeaseLost: Error, Equatable, CustomStringConvertible {
    package let lease: ObjectRef
    /// The new holder, or nil if the lease could not be renewed in time.
    package let holder: String?

    package var description: String {
        let cause = holder.map { "\($0) holds it now" } ?? "it could not be renewed in time"
        return
            "leader election: lost lease \(lease): \(cause); the process ends and waits for it again after its restart"
    }
}
