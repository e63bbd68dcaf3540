import Foundation
import Testing

/// `secrets-bridge controller` for all namespaces, which tests stop, pause and start again.
actor ControllerProcess {
    private let cluster: Cluster
    private let arguments: [String]
    private let environment: [String: String]
    private var program: Program?

    /// - Parameter cluster: A control plane with the service account and the roles of manifests/base.
    init(_ cluster: Cluster, _ environment: [String: String], _ arguments: [String] = []) {
        self.cluster = cluster
        self.environment = environment
        self.arguments = arguments
    }

    var isRunning: Bool { program?.isRunning ?? false }

    var log: String { program?.errors ?? "" }

    /// Starts the process and waits until it is ready.
    func start() async throws {
        let kubeconfig = try await cluster.script("kubeconfig-for", "secrets-bridge", "secrets-bridge")
        program = try Program(
            try Settings.required().binary,
            ["controller", "--kubeconfig", kubeconfig.trimmed, "--metrics-address", "127.0.0.1:0"]
                + arguments,
            environment: environment)
        let end = ContinuousClock.now + .seconds(60)
        while (try? await status().get("/readyz").status) != 200 {
            try #require(isRunning, "the controller has ended: \(log.suffix(2000))")
            guard ContinuousClock.now < end else { throw Timeout(what: "the controller is ready", last: nil) }
            try await Task.sleep(for: .milliseconds(25))
        }
    }

    func startIfStopped() async throws {
        if !isRunning { try await start() }
    }

    /// Stops the process as Kubernetes does.
    func stop() async throws {
        guard let program else { return }
        program.signal(SIGCONT)
        program.signal(SIGTERM)
        let end = ContinuousClock.now + .seconds(40)
        while program.isRunning {
            guard ContinuousClock.now < end else { throw Timeout(what: "the controller ends", last: nil) }
            try await Task.sleep(for: .milliseconds(25))
        }
        self.program = nil
    }

    func kill() {
        program?.signal(SIGKILL)
        program = nil
    }

    func restart() async throws {
        try await stop()
        try await start()
    }

    /// Runs `body` while the process is paused, so that it sees the changes of `body` as one.
    nonisolated func paused<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        await signal(SIGSTOP)
        do {
            let value = try await body()
            await signal(SIGCONT)
            return value
        } catch {
            await signal(SIGCONT)
            throw error
        }
    }

    private func signal(_ number: Int32) { program?.signal(number) }

    /// Returns a client for its metrics and health.
    func status() throws -> StatusClient { try StatusClient(log: log) }

    /// Returns the number of data keys that it has unwrapped.
    func unwraps() async throws -> Double {
        try await status().total("secretsbridge_kms_items_total", with: #"operation="unwrap""#)
    }
}

extension StatusClient {
    /// Returns the sum of the series of a metric that have the label.
    func total(_ name: String, with label: String) async throws -> Double {
        try await metrics().split(separator: "\n").filter { $0.hasPrefix("\(name){") && $0.contains(label) }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }
}
