import Controller
import Envelope
import HTTP
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
        _ prepare: (RecordingTransport) -> Void, _ adjust: (inout Controller.Options) -> Void
    ) {
        key = CountingKeyManager(namespace.key)
        transport = RecordingTransport(HTTPClientConfiguration(configuration))
        prepare(transport)
        var options = Controller.Options()
        options.selection.namespace = namespace.name
        adjust(&options)
        let controller = Controller(
            client: KubeClient(connection: Connection(configuration, transport: transport)),
            keys: KeyRing(primary: key), options: options, logger: log.logger)
        task = Task { try await controller.run() }
    }

    /// Runs one for as long as `body` takes, then cancels it as a kill would: without waiting for its work.
    /// - Parameters:
    ///   - kubeconfig: nil: the administrator's.
    ///   - prepare: before the first request.
    static func with(
        _ namespace: TestNamespace, kubeconfig: String? = nil,
        prepare: (RecordingTransport) -> Void = { _ in },
        adjust: (inout Controller.Options) -> Void = { _ in },
        _ body: (RunningController) async throws -> Void
    ) async throws {
        let configuration = try kubeconfig.map(Cluster.configuration) ?? namespace.cluster.configuration
        let controller = RunningController(namespace, configuration, prepare, adjust)
        do {
            try await body(controller)
        } catch {
            await controller.stop()
            Issue.record("the controller's last words:\n\(controller.lastWords)")
            throw error
        }
        await controller.stop()
    }

    private func stop() async {
        task.cancel()
        _ = await task.result
    }

    private var lastWords: String { log.lines.suffix(30).joined(separator: "\n") }

    /// Waits until the controller has seen all that happened before this call: two changes of an object of our
    /// own have then come through both watches, behind everything else.
    func catchUp(_ namespace: TestNamespace) async throws {
        try await namespace.apply("zz-fence", ["k": "v"])
        let first = try await namespace.settled("zz-fence").status?.secret?.uid
        try await namespace.cluster.admin.delete(.secrets, namespace.ref("zz-fence"))
        try await eventually("the controller catches up") {
            let made = try await namespace.settled("zz-fence").status?.secret
            return made?.uid != first
        }
        try await namespace.cluster.admin.delete(WrappedSecret.resource, namespace.ref("zz-fence"))
    }
}
