import Foundation
import Testing

@testable import KubeClient

/// A control plane that `hack/cluster` started.
struct Cluster: Sendable {
    let directory: String
    let script: String
    let kubectl: String
    let configuration: ClusterConfiguration
    /// A client with administrator permissions and its own connection.
    let admin: KubeClient

    var kubeconfig: String { "\(directory)/admin.kubeconfig" }

    /// Uses a control plane that is running.
    init(directory: String, script: String, kubectl: String) throws {
        self.directory = directory
        self.script = script
        self.kubectl = kubectl
        configuration = try Self.configuration("\(directory)/admin.kubeconfig")
        admin = KubeClient(connection: APIConnection(configuration))
    }

    static func configuration(_ kubeconfig: String) throws -> ClusterConfiguration {
        try ClusterConfiguration.load(explicitPath: kubeconfig, environment: [:])
    }

    /// Starts a dedicated control plane and stops it after `body`.
    static func withDedicated(
        _ settings: Settings, _ options: [String] = [], _ body: (Cluster) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "sb-cluster-\(UUID().uuidString)"
        ).path
        func script(_ command: String, _ options: [String] = []) async throws {
            _ = try await run(settings.clusterScript, [command, "--dir", directory] + options)
        }
        try await script("up", ["--crds", "--no-kind"] + settings.clusterOptions + options)
        do {
            try await body(
                try Cluster(directory: directory, script: settings.clusterScript, kubectl: settings.kubectl))
        } catch {
            try? await script("down")
            throw error
        }
        try await script("down")
    }

    /// Runs `hack/cluster COMMAND...` on this cluster.
    @discardableResult
    func script(_ arguments: String...) async throws -> String {
        try await Self.run(script, arguments + ["--dir", directory])
    }

    /// Runs kubectl as the administrator and returns its output. Tests act as users with this independent client.
    @discardableResult
    func kubectl(_ arguments: String..., input: Data = Data()) async throws -> String {
        try await Self.run(kubectl, ["--kubeconfig", kubeconfig] + arguments, input: input)
    }

    /// Runs kubectl as the administrator, where it may fail.
    func tryKubectl(_ arguments: String..., input: Data = Data()) async throws -> Program.Outcome {
        try await Program(kubectl, ["--kubeconfig", kubeconfig] + arguments, input: input).outcome()
    }

    /// Rewrites every Secret of a namespace in etcd unchanged, as a storage migration does after a change of the
    /// encryption key. Each gets a new resource version.
    func rewriteSecrets(in namespace: String) async throws {
        let rewriting = """
            import base64, json, sys, urllib.request
            etcd, prefix = sys.argv[1], "/registry/secrets/" + sys.argv[2] + "/"
            def call(method, **body):
                request = urllib.request.Request(f"{etcd}/v3/kv/{method}", json.dumps(body).encode())
                return json.load(urllib.request.urlopen(request, timeout=30))
            def encoded(text): return base64.b64encode(text.encode()).decode()
            found = call("range", key=encoded(prefix), range_end=encoded(prefix[:-1] + "0")).get("kvs", [])
            for pair in found: call("put", key=pair["key"], value=pair["value"])
            print(len(found))
            """
        let etcd = try await Self.run(
            "/bin/bash", ["-c", #". "$0/env" && printf '%s' "$SB_CLUSTER_ETCD""#, directory])
        _ = try await Self.run("/usr/bin/env", ["python3", "-c", rewriting, etcd, namespace])
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

/// Gives a suite a dedicated control plane, for faults of the servers themselves.
struct DedicatedCluster: SuiteTrait, TestScoping {
    @TaskLocal private static var current: Cluster?

    static func required() throws -> Cluster { try #require(current) }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Cluster.withDedicated(try Settings.required()) { cluster in
            try await Self.$current.withValue(cluster, operation: function)
        }
    }
}

extension Trait where Self == DedicatedCluster {
    static var dedicatedCluster: Self { DedicatedCluster() }
}
