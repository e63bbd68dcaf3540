import Controller
import Envelope
import HTTP
import Logging
import Resources
import Testing

@testable import KubeClient

/// A controller in this process, for one namespace.
final class RunningController: Sendable {
    let key: CountingKeyManager
    let transport: RecordingTransport
    let log = LogRecorder()
    private let task: Task<Void, any Error>

    private init(
        _ namespace: TestNamespace, _ configuration: ClusterConfiguration,
        _ prepare: (RecordingTransport) -> Void, _ adjust: (inout Controller.Options) -> Void,
        lease: ObjectRef?
    ) {
        key = CountingKeyManager(namespace.key)
        transport = RecordingTransport(HTTPClientConfiguration(configuration))
        prepare(transport)
        var options = Controller.Options()
        options.selection.namespace = namespace.name
        adjust(&options)
        let election: any LeaderElection =
            if let lease {
                Self.elector(lease, configuration, transport, log.logger)
            } else {
                AlwaysLeader()
            }
        let controller = Controller(
            client: KubeClient(connection: APIConnection(configuration, transport: transport)),
            keys: KeyRing(primary: key), options: options,
            leaderElection: election,
            logger: log.logger)
        task = Task { try await controller.run() }
    }

    private static func elector(
        _ lease: ObjectRef, _ configuration: ClusterConfiguration, _ transport: RecordingTransport,
        _ logger: Logger
    ) -> any LeaderElection {
        LeaderElector(
            .init(identity: LeaseName.identity(hostname: "test"), lease: lease, timing: LeaseTiming()),
            store: APILeaseStore(lease) {
                KubeClient(connection: APIConnection(configuration, transport: transport))
            }, clock: ContinuousClock(), terminateProcess: { Issue.record("the work does not end") },
            logger: logger)
    }

    /// Runs a controller during `body`, then cancels it without waiting for its work, as a kill would.
    ///
    /// - Parameters:
    ///   - kubeconfig: the kubeconfig to use; nil means that of the administrator.
    ///   - lease: the lease of the leader election, which is released at the end.
    ///   - prepare: called before the first request.
    static func with(
        _ namespace: TestNamespace, kubeconfig: String? = nil, lease: ObjectRef? = nil,
        prepare: (RecordingTransport) -> Void = { _ in },
        adjust: (inout Controller.Options) -> Void = { _ in },
        _ body: (RunningController) async throws -> Void
    ) async throws {
        let configuration = try kubeconfig.map(Cluster.configuration) ?? namespace.cluster.configuration
        let controller = RunningController(namespace, configuration, prepare, adjust, lease: lease)
        do {
            try await body(controller)
        } catch {
            await controller.stop()
            Issue.record("the end of the controller's log:\n\(controller.lastWords)")
            throw error
        }
        await controller.stop()
    }

    /// Starts a controller, which `stop` ends.
    static func start(_ namespace: TestNamespace, lease: ObjectRef? = nil) -> RunningController {
        RunningController(namespace, namespace.cluster.configuration, { _ in }, { _ in }, lease: lease)
    }

    func stop() async {
        task.cancel()
        _ = await task.result
    }

    private var lastWords: String { log.lines.suffix(30).joined(separator: "\n") }

    /// Waits until the controller has seen all changes before this call: two changes of an object of its own have then
    /// come through both watches after them.
    func catchUp(_ namespace: TestNamespace) async throws {
        // A new name, because the garbage collector may still delete the Secret of an earlier one.
        let name = Self.probePrefix + "\(UInt32.random(in: 0...UInt32.max))"
        try await namespace.apply(name, ["k": "v"])
        let first = try await namespace.reconciled(name).status?.secret?.uid
        try await namespace.cluster.admin.delete(.secrets, namespace.ref(name))
        try await eventually("the controller catches up") {
            let recorded = try await namespace.reconciled(name).status?.secret
            return recorded?.uid != first
        }
        try await namespace.cluster.admin.delete(WrappedSecret.resource, namespace.ref(name))
    }

    /// The prefix of the names of those objects.
    static let probePrefix = "zz-fence-"

    /// Waits until the Secret `name` is deleted and stays so. With a stale cache the controller may recreate it
    /// once, and the garbage collector deletes it again.
    func expectStaysDeleted(_ name: String, _ namespace: TestNamespace) async throws {
        for _ in 1...2 {
            // The garbage collector discovers the new kind within 30 s.
            try await eventually("the garbage collector deletes Secret \(name)") {
                try await namespace.secret(name) == nil
            }
            try await catchUp(namespace)
        }
        let unwraps = key.unwraps(of: name)
        try await catchUp(namespace)
        #expect(try await namespace.secret(name) == nil)
        #expect(key.unwraps(of: name) == unwraps)
    }
}
