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
import System
import UnixSignals

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Keep Secrets equal to the WrappedSecrets of a cluster.",
        discussion: """
            Runs until SIGTERM or SIGINT, then finishes the work in flight and exits 0. \
            Of several instances one works and the others stand by (--leader-elect). \
            In a pod it uses the pod's service account; elsewhere the kubeconfig, as kubectl does.

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
            "Scopes that are served. cluster lets whoever can copy a ciphertext read it in a namespace of theirs.",
            valueName: "scope,..."),
        transform: { list in
            try Set(
                list.split(separator: ",").map { name in
                    guard let scope = Scope(rawValue: String(name)) else {
                        throw ValidationError("\(name) is not a scope; strict, namespace and cluster are")
                    }
                    return scope
                })
        })
    var allowedScopes: Set<Scope> = [.strict, .namespace]

    @Option(
        help: ArgumentHelp(
            "Prefixes of labels and annotations that no template may set, instead of those by which known controllers copy Secrets into other namespaces and clusters.",
            valueName: "prefix,..."))
    var denyTemplateMetadata = MetadataKeyPrefixes(prefixes: DefaultDenyList.metadataPrefixes)

    @Option(
        help: ArgumentHelp(
            "Secret types that are denied by default and allowed here: \(DefaultDenyList.secretTypes.sorted().joined(separator: ", ")).",
            valueName: "type,..."),
        transform: AllowedSecretTypes.parse)
    var allowSecretTypes: Set<String> = []

    @Option(help: ArgumentHelp("Labels for every Secret that is made.", valueName: "key=value,..."))
    var secretLabels = LabelPairs(pairs: [:])

    @Option(help: "Reconciles in flight at once.")
    var workers = 128

    @OptionGroup var unwrapLimits: UnwrapLimitOptions

    @OptionGroup var leaderElection: LeaderElectionOptions

    @Option(
        help: ArgumentHelp(
            "Where /metrics, /healthz and /readyz are served: :8080 on all addresses, 127.0.0.1:8080, [::1]:8080. off: nowhere.",
            valueName: "address"))
    var metricsAddress = MetricsAddress.defaultAddress

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (1...1024).contains(workers) else {
            throw ValidationError("--workers is \(workers); 1 to 1024 are expected")
        }
    }

    func run() async throws {
        configureMallocTrimming()
        let logger = log.makeLogger()
        let telemetry = Telemetry(version: SecretsBridge.version, lease: leaderElection.leaseName(watchScope))
        Warnings.setHandler { logger.warning("\($0)") }
        let keys = try loadKeys(for: .controller, observer: telemetry.kmsObserver) { logger.warning("\($0)") }
        let cluster = try cluster()
        // Before anything that takes time: from now on the process can be asked whether it lives.
        let status = try AdminService(metricsAddress, telemetry, logger: logger)
        var options = Controller.Options()
        options.workers = workers
        options.unwrapRateLimit = unwrapLimits.limit
        options.policy = OperatorPolicy(
            scopes: allowedScopes, deniedMetadata: denyTemplateMetadata.prefixes,
            allowedTypes: allowSecretTypes,
            labels: secretLabels.pairs)
        options.namespaces = watchScope.namespaces
        options.selection.labelSelector = watchScope.selector
        options.identity = LeaseName.identity(hostname: hostname())
        let gate = leaderElection.makeLeaderElection(
            cluster, watchScope, identity: options.identity,
            podNamespace: Environment.process.value("POD_NAMESPACE"), telemetry: telemetry, logger: logger)
        let controller = Controller(
            client: KubeClient(connection: APIConnection(cluster, observer: telemetry.apiObserver)),
            keys: keys,
            options: options, gate: gate, telemetry: telemetry, logger: logger)
        logger.info(
            "controller starting",
            metadata: ["version": "\(SecretsBridge.version)", "server": "\(cluster.server)"])
        // Its own messages describe services by reflection; what matters is said by the controller.
        var quiet = logger
        quiet.logLevel = .error
        var configuration = ServiceGroupConfiguration(
            services: [
                // The first to start is the last to stop.
                .init(service: status),
                .init(service: controller),
                .init(
                    service: KeySelfTestService(keys: keys, logger: logger),
                    successTerminationBehavior: .ignore),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        // Before the kubelet's patience (30 s by default) ends.
        configuration.maximumGracefulShutdownDuration = .seconds(25)
        let group = ServiceGroup(configuration: configuration)
        do {
            try await group.run()
        } catch let error as LeaseLost {
            throw CommandError(error)
        }
    }

    private func cluster() throws -> ClusterConfiguration {
        do {
            return try ClusterConfiguration.load(
                explicitPath: kubeconfig, context: context, environment: inheritableEnvironment())
        } catch {
            throw CommandError("\(error)")
        }
    }
}
