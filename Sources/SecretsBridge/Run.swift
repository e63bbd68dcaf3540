import ArgumentParser
import Controller
import Envelope
import FoundationEssentials
import Glibc
import KMS
import KubeClient
import Logging
import Primitives
import ServiceLifecycle
import UnixSignals

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller",
        abstract: "Keep Secrets equal to the WrappedSecrets of a cluster.",
        discussion: """
            Runs until SIGTERM or SIGINT, then finishes the work in flight and exits 0. \
            In a pod it uses the pod's service account; elsewhere the kubeconfig, as kubectl does.
            """)

    @Option(help: "A kubeconfig, instead of KUBECONFIG, the pod's service account or ~/.kube/config.")
    var kubeconfig: String?

    @Option(help: "A context of the kubeconfig, instead of its current one.")
    var context: String?

    @Option(help: "Look after this namespace only.")
    var watchNamespace: String?

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
            "How keys of labels and annotations begin that no template may set, instead of those of known replicators.",
            valueName: "prefix,..."))
    var denyTemplateMetadata = KeyPrefixes(prefixes: OperatorRules.replicators)

    @Option(help: ArgumentHelp("Labels for every Secret that is made.", valueName: "key=value,..."))
    var secretLabels = LabelList(pairs: [:])

    @Option(help: "Reconciles in flight at once.")
    var workers = 128

    @Option(
        help: ArgumentHelp(
            "Where /metrics, /healthz and /readyz are served: :8080 on all addresses, 127.0.0.1:8080, [::1]:8080. off: nowhere.",
            valueName: "address"))
    var metricsAddress = MetricsAddress.standard

    @Option(help: "How much is logged.")
    var logLevel = LogLevel.info

    func validate() throws {
        guard (1...1024).contains(workers) else {
            throw ValidationError("--workers is \(workers); 1 to 1024 are expected")
        }
    }

    func run() async throws {
        let logger = makeLogger()
        let telemetry = Telemetry(version: SecretsBridge.version)
        let keys = try loadKeys(observer: telemetry.kms)
        let cluster = try cluster()
        // Before anything that takes time: from now on the process can be asked whether it lives.
        let status = try StatusService(metricsAddress, telemetry, logger: logger)
        var options = Controller.Options()
        options.workers = workers
        options.rules = OperatorRules(
            scopes: allowedScopes, deniedMetadata: denyTemplateMetadata.prefixes, labels: secretLabels.pairs)
        options.selection.namespace = watchNamespace
        let controller = Controller(
            client: KubeClient(connection: Connection(cluster, observer: telemetry.api)), keys: keys,
            options: options, telemetry: telemetry, logger: logger)
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
                    service: KeyAnnouncement(keys: keys, logger: logger), successTerminationBehavior: .ignore),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        // Before the kubelet's patience (30 s by default) ends.
        configuration.maximumGracefulShutdownDuration = .seconds(25)
        let group = ServiceGroup(configuration: configuration)
        try await group.run()
    }

    private func cluster() throws -> ClusterConfiguration {
        do {
            return try ClusterConfiguration.load(
                explicitPath: kubeconfig, context: context, environment: inheritableEnvironment())
        } catch {
            throw CommandError("\(error)")
        }
    }

    private func makeLogger() -> Logger {
        let level = logLevel.level
        let isTerminal = isatty(STDERR_FILENO) == 1
        LoggingSystem.bootstrap { _ in
            LineLogHandler(isTerminal ? .text : .json, level: level)
        }
        return Logger(label: "secrets-bridge")
    }
}

/// How much is logged.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, warn, error

    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        }
    }
}
