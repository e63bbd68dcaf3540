import Controller
import Foundation
import KubeClient
import TestSupport
import Testing

/// One of several replicas of the executable, with the permissions of manifests/base/rbac.yaml, that share a lease in
/// `secrets-bridge`.
final class Replica {
    let program: Program
    private let folder: TemporaryFolder

    /// - Parameter proxy: a proxy in front of the API server.
    static func start(
        _ namespace: TestNamespace, through proxy: TCPProxy? = nil, _ arguments: [String] = []
    ) async throws -> Replica {
        let settings = try Settings.required()
        try await settings.installRole()
        let named = arguments.firstIndex(of: "--leader-elect-name").map { arguments[$0 + 1] }
        try await namespace.cluster.allowLease(
            named ?? LeaseName.name(namespaces: [namespace.name], labelSelector: nil), to: "secrets-bridge")
        let folder = try TemporaryFolder()
        let kubeconfig = folder.path("kubeconfig")
        try await namespace.cluster.script("kubeconfig-for", "secrets-bridge", "secrets-bridge", kubeconfig)
        if let proxy {
            let text = try String(contentsOfFile: kubeconfig, encoding: .utf8)
            try text.replacing(
                namespace.cluster.configuration.server, with: "https://127.0.0.1:\(proxy.port)"
            )
            .write(toFile: kubeconfig, atomically: true, encoding: .utf8)
        }
        let program = try Program(
            settings.binary,
            [
                "controller", "--kubeconfig", kubeconfig, "--watch-namespace", namespace.name,
                "--leader-elect",
                "--leader-elect-namespace", "secrets-bridge", "--metrics-address", "off",
            ] + arguments,
            environment: ["SB_WRAP_MASTER_KEY": namespace.masterKey])
        let replica = Replica(program, folder)
        try await eventually("the caches are complete") { replica.hasLogged("caches complete") }
        return replica
    }

    private init(_ program: Program, _ folder: TemporaryFolder) {
        self.program = program
        self.folder = folder
    }

    var isLeading: Bool { hasLogged("leading") }

    func hasLogged(_ message: String) -> Bool { program.errors.contains(#""msg":"\#(message)""#) }

    func lines(_ message: String) throws -> [[String: String]] {
        try program.errors.split(separator: "\n").filter {
            $0.contains(#""msg":"\#(message)"#) && $0.hasSuffix("}")
        }
        .map { try JSONDecoder().decode([String: String].self, from: Data($0.utf8)) }
    }

    /// Returns the audit line of each unwrap.
    func audit() throws -> [[String: String]] { try lines("audit: unwrap of a data key") }

    /// Fails the test if `other`, the next leader, worked at the same time as this replica.
    func expectEnded(before other: Replica) throws {
        let last = try #require(try audit().compactMap { $0["time"] }.max())
        let takeover = try #require(try other.lines("leading").first?["time"])
        let first = try #require(try other.audit().compactMap { $0["time"] }.min())
        #expect(last < takeover, "the last unwrap of one leader and the start of the next")
        #expect(takeover <= first)
    }

    func stop() async throws {
        program.signal(SIGTERM)
        let outcome = try await program.outcome()
        #expect(outcome.status == 0, "\(outcome.errors.suffix(2000))")
    }
}

extension Cluster {
    /// Lets a service account in the namespace `secrets-bridge` read and patch this lease there, as the Role of
    /// manifests/base/rbac.yaml does for the lease `secrets-bridge`.
    func allowLease(_ lease: String, to account: String) async throws {
        _ = try await tryKubectl(
            "-n", "secrets-bridge", "create", "role", "lease-\(lease)", "--verb=get,patch",
            "--resource=leases.coordination.k8s.io", "--resource-name=\(lease)")
        _ = try await tryKubectl(
            "-n", "secrets-bridge", "create", "rolebinding", "lease-\(lease)", "--role=lease-\(lease)",
            "--serviceaccount=secrets-bridge:\(account)")
    }

    var port: UInt16 {
        get throws { try #require(UInt16(configuration.server.split(separator: ":").last ?? "")) }
    }
}
