import Foundation
import Testing

/// The settings that `hack/test` passes. Without them there is no server to test against.
struct Settings: Sendable {
    /// `hack/cluster`.
    let clusterScript: String
    /// The options of `hack/cluster up` for dedicated control planes.
    let clusterOptions: [String]
    let kubectl: String
    /// The built secrets-bridge.
    let binary: String
    /// An interpreter with the packages of hack/requirements.txt.
    let python: String
    /// The cluster of all tests that do not affect the servers themselves.
    let sharedCluster: Cluster

    static let current: Settings? = {
        let environment = ProcessInfo.processInfo.environment
        func path(_ name: String) -> String? {
            environment["SB_TEST_\(name)"].flatMap { $0.isEmpty ? nil : $0 }
        }
        guard let script = path("CLUSTER_SCRIPT"), let kubectl = path("KUBECTL"), let binary = path("BINARY"),
            let python = path("PYTHON"), let directory = path("CLUSTER_DIR"),
            let shared = try? Cluster(directory: directory, script: script, kubectl: kubectl)
        else { return nil }
        let options = environment["SB_TEST_CLUSTER_OPTIONS"] ?? ""
        return Settings(
            clusterScript: script, clusterOptions: options.split(separator: " ").map(String.init),
            kubectl: kubectl, binary: binary, python: python, sharedCluster: shared)
    }()

    static func required() throws -> Settings { try #require(current) }

    /// The root of the repository.
    var repository: String { String(clusterScript.dropLast("/hack/cluster".count)) }

    /// Creates the controller's namespace, service account and role in the shared cluster, once for all tests: of two
    /// concurrent creations one fails.
    func installRole() async throws { try await Self.role.value }

    private static let role = Task {
        let settings = try required()
        for file in ["namespace", "rbac"] {
            try await settings.sharedCluster.kubectl(
                "apply", "-f", "\(settings.repository)/manifests/base/\(file).yaml")
        }
    }
}

extension Trait where Self == ConditionTrait {
    static var onRealServers: Self {
        .enabled(
            if: Settings.current != nil,
            "needs the servers that hack/test starts (SB_TEST_CLUSTER_SCRIPT, _KUBECTL, _BINARY, _PYTHON, _CLUSTER_DIR)"
        )
    }
}
