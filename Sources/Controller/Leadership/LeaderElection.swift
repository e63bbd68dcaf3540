/// Decides when the workers may work.
package protocol LeaderElection: Sendable {
    /// Runs `work` as soon as it may run, and to its end: `work` is cancelled when it may not go on, and awaited
    /// in any case. Returns without having run it when there is a shutdown before its turn comes.
    func run(_ work: @escaping @Sendable () async -> Void) async throws
}

/// For a controller that is alone.
package struct AlwaysLeader: LeaderElection {
    package init() {}

    package func run(_ work: @escaping @Sendable () async -> Void) async {
        await work()
    }
}
