import Foundation
import KubeClient

extension TestNamespace {
    /// Gives the service account `split` in `secrets-bridge`, which has no other permissions, those of
    /// manifests/namespaced-rbac.yaml in this namespace.
    ///
    /// - Parameter verb: a verb to remove from the role, with the comma that follows it.
    func installNamespacedRole(events: Bool = true, without verb: String? = nil) async throws {
        let settings = try Settings.required()
        try await settings.installRole()
        _ = try await cluster.tryKubectl("-n", "secrets-bridge", "create", "serviceaccount", "split")
        var text = try String(
            contentsOfFile: "\(settings.repository)/manifests/namespaced-rbac.yaml", encoding: .utf8
        )
        .replacing("namespace: team-a", with: "namespace: \(name)")
        .replacing(
            "name: secrets-bridge\n    namespace: secrets-bridge",
            with: "name: split\n    namespace: secrets-bridge")
        if let verb { text = text.replacing(verb, with: "") }
        if !events { text = text.replacing("resources: [events]", with: "resources: [none]") }
        try await cluster.kubectl("apply", "-f", "-", input: Data(text.utf8))
        // The permission for the lease is in the controller's own namespace.
        _ = try await cluster.tryKubectl(
            "-n", "secrets-bridge", "create", "rolebinding", "split",
            "--role=secrets-bridge-leader-election", "--serviceaccount=secrets-bridge:split")
    }
}
