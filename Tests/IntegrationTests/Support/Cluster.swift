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
        admin = KubeClient(connection: APIConnection(configuration))
    }

    static func configuration(_ kubeconfig: String) throws -> ClusterConfiguration {
        try ClusterConfiguration.load(explicitPath: kubeconfig, environment: [:])
    }

    /// Starts one that nobody else uses and ends it after `body`.
    static func withDedicated(_ settings: Settings, _ body: (Cluster) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "sb-cluster-\(UUID().uuidString)"
        ).path
        func script(_ command: String, _ options: [String] = []) async throws {
            _ = try await run(settings.clusterScript, [command, "--dir", directory] + options)
        }
        try await script("up", ["--crds", "--no-kind"])
        do {
            try await body(
                try Cluster(directory: directory, script: settings.clusterScript, kubectl: settings.kubectl))
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

    /// Puts every Secret of a namespace into etcd once more, as it is: what a storage migration does after a new
    /// encryption key. Each gets a new resourceVersion.
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
