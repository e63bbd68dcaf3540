import ArgumentParser
import Controller
import Envelope
import FoundationEssentials
import Glibc
import KMS
import KubeClient
import Logging
import Resources
import ServiceLifecycle
import Settings
import System
import UnixSignals

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Reconcile the WrappedSecrets of a cluster into Secrets.",
        discussion: """
            Runs until SIGTERM or SIGINT, then finishes the reconciles in flight and exits 0. Of several replicas, one is \
            the leader and the others stand by (--leader-elect). In a pod it uses the pod's service account, and otherwise \
            the kubeconfig, as kubectl does.

              secrets-bridge controller
              secrets-bridge controller --watch-namespace payments --metrics-address 127.0.0.1:8080
              secrets-bridge controller --label-selector team=search
            """)

    @Option(
        help: "A kubeconfig, instead of KUBECONFIG, the pod's service account or ~/.kube/config.",
        completion: .file())
    var kubeconfig: String?

    @Option(help: "A context of the kubeconfig, instead of its current one.", completion: contextCompletion)
    var context: String?

    @OptionGroup var watchScope: WatchScopeOptions

    @Option(
        help: ArgumentHelp(
            "The allowed scopes. cluster lets anyone who can copy a ciphertext decrypt it in their own namespace.",
            valueName: "scope,..."),
        transform: { list in
            try Set(
                list.split(separator: ",").map { name in
                    guard let scope = Scope(rawValue: String(name)) else {
                        throw ValidationError("\(name) is not a scope; give strict, namespace or cluster")
                    }
                    return scope
                })
        })
    var allowedScopes: Set<Scope> = [.strict, .namespace]

    @Option(
        help: ArgumentHelp(
            "Prefixes of labels and annotations that no template may set. They replace the defaults, with which known controllers copy Secrets into other namespaces and clusters.",
            valueName: "prefix,..."))
    var denyTemplateMetadata = MetadataKeyPrefixes(prefixes: DefaultDenyList.metadataPrefixes)

    @Option(
        help: ArgumentHelp(
            "Allow these Secret types, which are denied by default: \(DefaultDenyList.secretTypes.sorted().joined(separator: ", ")).",
            valueName: "type,..."),
        transform: AllowedSecretTypes.parse)
    var allowSecretTypes: Set<String> = []

    @Option(help: ArgumentHelp("Labels for every created Secret.", valueName: "key=value,..."))
    var secretLabels = LabelPairs(pairs: [:])

    @Option(help: "The number of concurrent reconciles.")
    var workers = 96

    @OptionGroup var unwrapLimits: UnwrapLimitOptions

    @OptionGroup var leaderElection: LeaderElectionOptions

    @Option(
        help: ArgumentHelp(
            "The address that serves /metrics, /healthz and /readyz: :8080 for all addresses, 127.0.0.1:8080, [::1]:8080, or off.",
            valueName: "address"))
    var metricsAddress = MetricsAddress.defaultAddress

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (1...1024).contains(workers) else {
            throw ValidationError("--workers is \(workers); give 1 to 1024")
        }
    }

    func run() async throws {
        // Must come before libcurl and OpenSSL are initialized.
        let recordsTLSKeys = disableTLSKeyLog()
        configureMallocTrimming()
        let logger = log.makeLogger()
        let telemetry = Telemetry(version: SecretsBridge.version, lease: leaderElection.leaseName(watchScope))
        Warnings.setHandler { logger.warning("\($0)") }
        if !hardenProcess() {
            logger.warning(
                "the kernel does not let this process protect its memory from other processes and core dumps; allow prctl, setrlimit and sigaction in the seccomp profile"
            )
        }
        if recordsTLSKeys {
            logger.warning(
                "SSLKEYLOGFILE is ignored: with it, TLS protects neither data keys nor Secrets; unset it")
        }
        let keys = try loadKeys(for: .controller, observer: telemetry.kmsObserver) { logger.warning("\($0)") }
        var cluster = try loadClusterConfiguration(kubeconfig: kubeconfig, context: context)
        try checkNetwork(of: cluster)
        // A controller runs near its API server.
        cluster.acceptsCompression = false
        // Liveness probes are answered from now on, before anything that takes time.
        let status = try AdminService(metricsAddress, telemetry, logger: logger)
        var options = Controller.Options()
        options.workers = workers
        options.unwrapRateLimit = unwrapLimits.limit
        options.policy = OperatorPolicy(
            scopes: allowedScopes, deniedMetadata: denyTemplateMetadata.prefixes,
            allowedTypes: allowSecretTypes, labels: secretLabels.pairs)
        options.namespaces = watchScope.namespaces
        options.selection.labelSelector = watchScope.selector
        options.deniedAudiences = ServiceAccountTokenAudiences.ofThisPod
        if options.deniedAudiences.isEmpty, Environment.process.value("KUBERNETES_SERVICE_HOST") != nil {
            logger.warning(
                "the audiences of this pod's token cannot be read; key providers are refused only the API server's usual names"
            )
        }
        if !watchScope.namespaces.isEmpty || watchScope.selector != nil {
            options.reporter = leaderElection.leaseName(watchScope)
        }
        options.identity = LeaseName.identity(hostname: hostname())
        let gate = leaderElection.makeLeaderElection(
            for: watchScope, in: cluster, identity: options.identity,
            podNamespace: Environment.process.value("POD_NAMESPACE"), telemetry: telemetry, logger: logger)
        let controller = Controller(
            client: KubeClient(connection: APIConnection(cluster, observer: telemetry.apiObserver)),
            keys: keys,
            keyManagerFactory: KeyProviderFactory(
                from: .process, for: .controller, backlog: keys.backlog),
            options: options, leaderElection: gate, telemetry: telemetry, logger: logger)
        logger.info(
            "controller starting",
            metadata: ["version": "\(SecretsBridge.version)", "server": "\(cluster.server)"])
        // ServiceGroup logs each step with a dump of the services; the controller logs what matters.
        var groupLogger = logger
        groupLogger.logLevel = .error
        var configuration = ServiceGroupConfiguration(
            services: [
                // Services stop in reverse order.
                .init(service: status),
                .init(service: controller),
                .init(
                    service: KeySelfTestService(keys: keys, logger: logger),
                    successTerminationBehavior: .ignore),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: groupLogger)
        // The kubelet kills the process after terminationGracePeriodSeconds, 30 s by default.
        configuration.maximumGracefulShutdownDuration = .seconds(25)
        try await ServiceGroup(configuration: configuration).run()
    }

    /// Refuses an API server whose connection others on the network can read, unless SB_ENV=dev marks a development profile. A
    /// user may take that risk for one command.
    private func checkNetwork(of cluster: ClusterConfiguration) throws {
        guard let risk = cluster.networkRisk, !Environment.process.isDevelopmentProfile else { return }
        throw CommandError(
            "the API server \(cluster.server) \(risk), so that others on the network can read the controller's token and every "
                + "Secret; use https and certificate-authority in the kubeconfig, or set SB_ENV=dev to mark this as a "
                + "development profile")
    }
}
