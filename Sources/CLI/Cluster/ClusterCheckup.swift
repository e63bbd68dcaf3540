package import FoundationEssentials
package import KubeClient
import Primitives
import Resources

/// Tries what the commands need of an API server.
package struct ClusterCheckup: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private let sleep: @Sendable (Duration) async -> Void

    /// How often a controller is given another second to look at a new object.
    private static let pauses = 12

    package init(
        _ client: KubeClient, _ selection: Selection,
        sleep: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.client = client
        self.selection = selection
        self.sleep = sleep
    }

    /// `now`: by this machine's clock, as the server's is compared with it.
    package func findings(now: @Sendable () -> Date) async -> [KeyCheckup.Finding] {
        var findings: [KeyCheckup.Finding] = []
        if let namespace = selection.namespace {
            let presence = await presence(of: namespace)
            findings.append(KeyCheckup.Finding("namespace \(namespace)", presence, isRequired: true))
            if case .fails = presence { return findings }
        }
        var page: ListPage<WrappedSecret>?
        let lists = await verdict { () throws(KubeError) in
            page = try await client.list(WrappedSecret.self, selection)
        }
        findings.append(KeyCheckup.Finding("list WrappedSecrets", lists, isRequired: true))
        guard let page else { return findings }
        var evidence = WatchEvidence(page.items, now: now())
        for _ in 0..<Self.pauses where evidence.isPending {
            await sleep(.seconds(1))
            guard let page = try? await client.list(WrappedSecret.self, selection) else { break }
            evidence = WatchEvidence(page.items, now: now())
        }
        findings += [
            KeyCheckup.Finding("a controller looks after them", await watched(evidence), isRequired: true),
            KeyCheckup.Finding(
                "list Secrets, as metadata (import)",
                await verdict { () throws(KubeError) in
                    _ = try await client.list(SecretMetadata.self, selection, limit: 1)
                }),
            KeyCheckup.Finding("this machine's clock", await clock(now)),
        ]
        return findings
    }

    /// What objects show counts before what controllers publish: not every controller has a lease.
    private func watched(_ evidence: WatchEvidence) async -> KeyCheckup.Finding.Verdict {
        guard case .untried = evidence.verdict, let namespace = selection.namespace,
            let published = await WatchScopes(of: client)?.verdict(namespace)
        else { return evidence.verdict }
        return published
    }

    private func presence(of namespace: String) async -> KeyCheckup.Finding.Verdict {
        do throws(KubeError) {
            switch try await client.hasNamespace(namespace) {
            case true: return .works
            case false: return .fails(InputError.missingNamespace(namespace).description)
            case nil: return .untried("this user may not read it")
            }
        } catch {
            return .fails(error.lineForPeople)
        }
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
