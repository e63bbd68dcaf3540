import Controller
import Envelope
import HTTP
import Logging
import Resources
import Testing

@testable import KubeClient

/// A controller in this process, on one namespace.
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
        let gate: any LeaderElection =
            if let lease {
                Self.elector(lease, configuration, transport, log.logger)
            } else {
                AlwaysLeader()
            }
        let controller = Controller(
            client: KubeClient(connection: APIConnection(configuration, transport: transport)),
            keys: KeyRing(primary: key), options: options,
            gate: gate,
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
            }, clock: ContinuousClock(), abandon: { Issue.record("the work does not end") }, logger: logger)
    }

    /// Runs one for as long as `body` takes, then cancels it as a kill would: without waiting for its work.
    /// - Parameters:
    ///   - kubeconfig: nil: the administrator's.
    ///   - lease: what it has to hold in order to work; given back at the end.
    ///   - prepare: before the first request.
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
            Issue.record("the controller's last words:\n\(controller.lastWords)")
            throw error
        }
        await controller.stop()
    }

    /// One that `stop` ends.
    static func start(_ namespace: TestNamespace, lease: ObjectRef? = nil) -> RunningController {
        RunningController(namespace, namespace.cluster.configuration, { _ in }, { _ in }, lease: lease)
    }

    func stop() async {
        task.cancel()
        _ = await task.result
    }

    private var lastWords: String { log.lines.suffix(30).joined(separator: "\n") }

    /// Waits until the controller has seen all that happened before this call: two changes of an object of our
    /// own have then come through both watches, behind everything else.
    func catchUp(_ namespace: TestNamespace) async throws {
        // A name of its own: the collector may still be after the Secret of the last one.
        let name = Self.probePrefix + "\(UInt32.random(in: 0...UInt32.max))"
        try await namespace.apply(name, ["k": "v"])
        let first = try await namespace.reconciled(name).status?.secret?.uid
        try await namespace.cluster.admin.delete(.secrets, namespace.ref(name))
        try await eventually("the controller catches up") {
            let made = try await namespace.reconciled(name).status?.secret
            return made?.uid != first
        }
        try await namespace.cluster.admin.delete(WrappedSecret.resource, namespace.ref(name))
    }

    /// How the names of those objects begin.
    static let probePrefix = "zz-fence-"

    /// Waits until the Secret `name` is gone, and for good. A cache that is a moment behind may let it be made
    /// once more, which the collector takes as well.
    func expectStaysDeleted(_ name: String, _ namespace: TestNamespace) async throws {
        for _ in 1...2 {
            // A collector that has not learnt of our kind yet does so within 30 s.
            try await eventually("the collector takes Secret \(name)") {
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
