import ArgumentParser
import Controller
import Envelope
import Glibc
import KubeClient
import Logging
import Resources

/// The leader election among replicas.
struct LeaderElectionOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help:
            "Reconcile only while holding a lease; other replicas stand by. The default is on in a pod, and off otherwise."
    )
    var leaderElect: Bool?

    @Option(
        help: ArgumentHelp(
            "Time after the last observed renewal before another replica may take the lease, in whole seconds.",
            valueName: "duration"),
        transform: parseDuration)
    var leaderElectLeaseDuration = LeaseTiming().leaseDuration

    @Option(
        help: ArgumentHelp(
            "A leader that cannot renew the lease for this time stops.", valueName: "duration"),
        transform: parseDuration)
    var leaderElectRenewDeadline = LeaseTiming().renewDeadline

    @Option(
        help: ArgumentHelp("Time between attempts to acquire or renew the lease.", valueName: "duration"),
        transform: parseDuration)
    var leaderElectRetryPeriod = LeaseTiming().retryPeriod

    @Option(
        help: ArgumentHelp(
            "Namespace of the lease. The default is POD_NAMESPACE, or that of the service account or kubeconfig.",
            valueName: "namespace"))
    var leaderElectNamespace: String?

    @Option(
        help: ArgumentHelp(
            "Name of the lease. The default is secrets-bridge with a suffix for the watched namespaces and the selector.",
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
        if let leaderElectNamespace, !EnvelopeValidation.isDNSLabel(leaderElectNamespace) {
            throw ValidationError(
                "--leader-elect-namespace: \(leaderElectNamespace) is not a valid namespace name")
        }
        if let name = leaderElectName,
            !name.split(separator: ".", omittingEmptySubsequences: false)
                .allSatisfy({ EnvelopeValidation.isDNSLabel($0) })
        {
            throw ValidationError("--leader-elect-name: \(name) is not a lease's name")
        }
    }

    /// Returns the name of the lease. Replicas with the same lease elect one leader.
    func leaseName(_ watchScope: WatchScopeOptions) -> String {
        leaderElectName
            ?? LeaseName.name(namespaces: watchScope.namespaces, labelSelector: watchScope.selector)
    }

    /// - Parameter podNamespace: The pod's namespace from the downward API.
    func makeLeaderElection(
        for watchScope: WatchScopeOptions, in cluster: ClusterConfiguration, identity: String,
        podNamespace: String?, telemetry: Telemetry, logger: Logger
    ) -> any LeaderElection {
        guard leaderElect ?? cluster.isInCluster else { return AlwaysLeader() }
        let lease = ObjectRef(
            namespace: leaderElectNamespace ?? podNamespace ?? cluster.defaultNamespace,
            name: leaseName(watchScope))
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
            // sysexits(3), EX_SOFTWARE. The process ends at once, so that no request in flight continues.
            terminateProcess: { _exit(70) }, logger: logger)
        return WatchScopePublisher(
            elector, lease: lease,
            scope: PublishedWatchScope(namespaces: watchScope.namespaces, labelSelector: watchScope.selector),
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
