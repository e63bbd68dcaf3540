import ArgumentParser
import Controller
import Glibc
import KubeClient
import Logging
import Resources

/// Whether and how one of several instances is chosen to work.
struct LeaderElectionOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help:
            "Work only while holding a lease; others stand by. On in a pod, off elsewhere, if neither is given."
    )
    var leaderElect: Bool?

    @Option(
        help: ArgumentHelp(
            "How long others wait for a leader they hear nothing of, in whole seconds.", valueName: "duration"
        ),
        transform: DurationFlag.parse)
    var leaderElectLeaseDuration = LeaseTiming().leaseDuration

    @Option(
        help: ArgumentHelp("A leader that cannot renew for this long stops.", valueName: "duration"),
        transform: DurationFlag.parse)
    var leaderElectRenewDeadline = LeaseTiming().renewDeadline

    @Option(
        help: ArgumentHelp("Between two tries to renew or to get the lease.", valueName: "duration"),
        transform: DurationFlag.parse)
    var leaderElectRetryPeriod = LeaseTiming().retryPeriod

    @Option(
        help: ArgumentHelp(
            "Where the lease is. Otherwise POD_NAMESPACE, or that of the service account or kubeconfig.",
            valueName: "namespace"))
    var leaderElectNamespace: String?

    @Option(
        help: ArgumentHelp(
            "Name of the lease. Otherwise secrets-bridge, with a suffix that tells the namespaces and the selector apart.",
            valueName: "name"))
    var leaderElectName: String?

    var timing: LeaseTiming {
        var timing = LeaseTiming()
        timing.leaseDuration = leaderElectLeaseDuration
        timing.renewDeadline = leaderElectRenewDeadline
        timing.retryPeriod = leaderElectRetryPeriod
        return timing
    }

    func validate() throws {
        if let problem = timing.problem { throw ValidationError("--leader-elect: \(problem)") }
        if let leaderElectNamespace, !isDNSLabel(leaderElectNamespace) {
            throw ValidationError(
                "--leader-elect-namespace: \(leaderElectNamespace) is not a namespace's name")
        }
        if let name = leaderElectName,
            !name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isDNSLabel)
        {
            throw ValidationError("--leader-elect-name: \(name) is not a lease's name")
        }
    }

    /// Replicas with the same name take turns; without leader election, none of them waits for the others.
    func leaseName(_ territory: WatchScopeOptions) -> String {
        leaderElectName ?? LeaseName.name(namespaces: territory.namespaces, labelSelector: territory.selector)
    }

    /// - Parameters:
    ///   - podNamespace: what the downward API says.
    func makeLeaderElection(
        _ cluster: ClusterConfiguration, _ territory: WatchScopeOptions, identity: String,
        podNamespace: String?,
        telemetry: Telemetry, logger: Logger
    ) -> any LeaderElection {
        guard leaderElect ?? cluster.isInCluster else { return AlwaysLeader() }
        let lease = ObjectRef(
            namespace: leaderElectNamespace ?? podNamespace ?? cluster.defaultNamespace,
            name: leaseName(territory))
        let timeout = timing.renewDeadline
        let leadership = Leadership()
        telemetry.setLeadershipProbe { leadership.isLeading }
        let elector = LeaderElector(
            .init(identity: identity, lease: lease, timing: timing),
            store: APILeaseStore(lease) {
                KubeClient(
                    connection: APIConnection(cluster, timeout: timeout, observer: telemetry.apiObserver))
            },
            leadership: leadership, clock: ContinuousClock(),
            // sysexits(3), EX_SOFTWARE. Nothing is flushed or awaited: what is in flight must not go on.
            abandon: { _exit(70) }, logger: logger)
        return WatchScopePublisher(
            elector, lease: lease,
            scope: PublishedWatchScope(namespaces: territory.namespaces, labelSelector: territory.selector),
            client: KubeClient(
                connection: APIConnection(cluster, timeout: timeout, observer: telemetry.apiObserver)),
            logger: logger)
    }
}

func hostname() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
