package import FoundationEssentials
package import KubeClient
import Primitives
import Resources

/// Tries what the commands need of an API server.
package struct ClusterCheckup: Sendable {
    private let client: KubeClient
    private let selection: Selection

    package init(_ client: KubeClient, _ selection: Selection) {
        self.client = client
        self.selection = selection
    }

    /// `now`: by this machine's clock, as the server's is compared with it.
    package func findings(now: @Sendable () -> Date) async -> [KeyCheckup.Finding] {
        let lists = await verdict { () throws(KubeError) in
            _ = try await client.list(WrappedSecret.self, selection, limit: 1)
        }
        guard case .works = lists else { return [KeyCheckup.Finding("list WrappedSecrets", lists)] }
        return [
            KeyCheckup.Finding("list WrappedSecrets", lists),
            KeyCheckup.Finding(
                "list Secrets, as metadata (import)",
                await verdict { () throws(KubeError) in
                    _ = try await client.list(SecretMetadata.self, selection, limit: 1)
                }),
            KeyCheckup.Finding("this machine's clock", await clock(now)),
        ]
    }

    private func verdict(_ body: () async throws(KubeError) -> Void) async -> KeyCheckup.Finding.Verdict {
        do {
            try await body()
            return .works
        } catch {
            return .fails(error.lineForPeople)
        }
    }

    /// The server stamps even what it only pretends to make.
    private func clock(_ now: () -> Date) async -> KeyCheckup.Finding.Verdict {
        let namespace = selection.namespace ?? "default"
        let body =
            #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"secrets-bridge-clock","namespace":"\#(namespace)"}}"#
        let resource = Resource(group: "", version: "v1", kind: "ConfigMap", plural: "configmaps")
        do {
            let made = try await client.create(
                resource, ObjectRef(namespace: namespace, name: "secrets-bridge-clock"),
                body: SharedSecret(copying: body.utf8), isDryRun: true)
            guard let stamp = made.creationTimestamp,
                let server = try? Date(stamp, strategy: .iso8601)
            else { return .untried("the server gives no time") }
            return Self.verdict(seconds: now().timeIntervalSince(server))
        } catch {
            return .untried("\(error)")
        }
    }

    /// Tokens and signatures are refused from about five minutes on; a minute is worth a word.
    package static func verdict(seconds: Double) -> KeyCheckup.Finding.Verdict {
        guard abs(seconds) > 60 else { return .works }
        let direction = seconds > 0 ? "ahead of" : "behind"
        return .fails("it is \(Int(abs(seconds))) s \(direction) the API server's; set up NTP")
    }
}
