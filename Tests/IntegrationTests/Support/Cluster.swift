import Foundation

@testable import KubeClient

/// A control plane that `hack/cluster` started.
struct Cluster: Sendable {
    let directory: String
    let script: String
    let kubectl: String
    let configuration: ClusterConfiguration
    /// As the administrator, on a connection of its own.
    let admin: KubeClient

    var kubeconfig: String { "\(directory)/admin.kubeconfig" }

    /// One that is up.
    init(directory: String, script: String, kubectl: String) throws {
        self.directory = directory
        self.script = script
        self.kubectl = kubectl
        configuration = try Self.configuration("\(directory)/admin.kubeconfig")
        admin = KubeClient(connection: Connection(configuration))
    }

    static func configuration(_ kubeconfig: String) throws -> ClusterConfiguration {
        try ClusterConfiguration.load(explicitPath: kubeconfig, environment: [:])
    }

    /// Starts one that nobody else uses and ends it after `body`.
    static func withOwn(_ settings: Settings, _ body: (Cluster) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "sb-cluster-\(UUID().uuidString)"
        ).path
        func script(_ command: String, _ options: [String] = []) async throws {
            _ = try await run(settings.script, [command, "--dir", directory] + options)
        }
        try await script("up", ["--crds", "--no-kind"])
        do {
            try await body(
                try Cluster(directory: directory, script: settings.script, kubectl: settings.kubectl))
        } catch {
            try? await script("down")
            throw error
        }
        try await script("down")
    }

    /// `hack/cluster COMMAND...` on this cluster.
    @discardableResult
    func script(_ arguments: String...) async throws -> String {
        try await Self.run(script, arguments + ["--dir", directory])
    }

    /// kubectl as the administrator; what it prints. An independent client: what people do is done with it.
    @discardableResult
    func kubectl(_ arguments: String..., input: Data = Data()) async throws -> String {
        try await Self.run(kubectl, ["--kubeconfig", kubeconfig] + arguments, input: input)
    }

    /// The same, for when it may fail.
    func tryKubectl(_ arguments: String..., input: Data = Data()) async throws -> Program.Outcome {
        try await Program(kubectl, ["--kubeconfig", kubeconfig] + arguments, input: input).outcome()
    }

    private static func run(
        _ executable: String, _ arguments: [String], input: Data = Data()
    ) async throws -> String {
        let outcome = try await Program(executable, arguments, input: input).outcome(within: .seconds(300))
        guard outcome.status == 0 else {
            throw ProgramFailure(command: ([executable] + arguments).joined(separator: " "), outcome: outcome)
        }
        return outcome.output
    }
}
