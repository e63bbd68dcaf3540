import Cryptography
package import Envelope
package import FoundationEssentials
package import KubeClient
import Resources

/// Tries what the commands need of an API server.
package struct ClusterDiagnostics: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private let keys: KeyRing?
    private let sleep: @Sendable (Duration) async -> Void

    /// How often a controller is given another second to look at a new object.
    private static let pauses = 12

    package init(
        _ client: KubeClient, _ selection: Selection, keys: KeyRing? = nil,
        sleep: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.client = client
        self.selection = selection
        self.keys = keys
        self.sleep = sleep
    }

    /// `now`: by this machine's clock, as the server's is compared with it.
    package func findings(now: @Sendable () -> Date) async -> [KeyDiagnostics.Finding] {
        var findings: [KeyDiagnostics.Finding] = []
        if let namespace = selection.namespace {
            let presence = await presence(of: namespace)
            findings.append(KeyDiagnostics.Finding("namespace \(namespace)", presence, isRequired: true))
            if case .failed = presence { return findings }
        }
        var page: ListPage<WrappedSecret>?
        let lists = await verdict { () throws(KubeError) in
            page = try await client.list(WrappedSecret.self, selection)
        }
        findings.append(KeyDiagnostics.Finding("list WrappedSecrets", lists, isRequired: true))
        guard let page else { return findings }
        var evidence = ControllerEvidence(page.items, now: now())
        for _ in 0..<Self.pauses where evidence.isPending {
            await sleep(.seconds(1))
            guard let page = try? await client.list(WrappedSecret.self, selection) else { break }
            evidence = ControllerEvidence(page.items, now: now())
        }
        if let keys, let listed = Self.keyVerdict(page, keys) {
            findings.append(KeyDiagnostics.Finding("they list a configured key", listed, isRequired: true))
        }
        findings += [
            KeyDiagnostics.Finding(
                "a controller looks after them", await watched(evidence, now: now()), isRequired: true),
            KeyDiagnostics.Finding(
                "list Secrets, as metadata (import)",
                await verdict { () throws(KubeError) in
                    _ = try await client.list(SecretMetadata.self, selection, limit: 1)
                }),
            KeyDiagnostics.Finding("this machine's clock", await clock(now)),
        ]
        return findings
    }

    /// Fresh signs at objects count before what controllers publish: not every controller has a lease.
    private func watched(_ evidence: ControllerEvidence, now: Date) async -> KeyDiagnostics.Finding.Verdict {
        let shown = evidence.verdict
        guard case .skipped(let why) = shown,
            let published = await ControllerScopes(of: client, now: now)?.verdict(selection.namespace)
        else { return shown }
        // The one that has looked at them may run without a lease.
        guard evidence.isStale, case .failed(let other) = published else { return published }
        return .skipped("\(why); \(other)")
    }

    /// Whether the keys are those of the cluster; nil: there is nothing to tell by.
    static func keyVerdict(_ page: ListPage<WrappedSecret>, _ keys: KeyRing) -> KeyDiagnostics.Finding
        .Verdict?
    {
        let objects = page.items.compactMap { item in
            if case .object(let object) = item { object } else { nil }
        }
        let recipients = objects.flatMap(\.spec.envelope.recipients)
        guard !recipients.isEmpty else { return nil }
        guard !recipients.contains(where: { keys.keyManager(for: $0) != nil }) else { return .passed }
        let listed = Set(recipients.map(\.keyID)).sorted()
        let others = listed.count > 3 ? " and \(listed.count - 3) more" : ""
        let isAll = page.metadata.continue?.isEmpty != false
        let what =
            "none of \(isAll ? "" : "the first ")\(pluralized(objects.count, "WrappedSecret")) lists a configured key; they "
            + "list \(listed.prefix(3).joined(separator: ", "))\(others)"
        return isAll ? .failed("\(what); configure one of these") : .skipped(what)
    }

    private func presence(of namespace: String) async -> KeyDiagnostics.Finding.Verdict {
        do throws(KubeError) {
            switch try await client.namespaceExists(namespace) {
            case true: return .passed
            case false: return .failed(InputError.missingNamespace(namespace).description)
            case nil: return .skipped("this user may not read it")
            }
        } catch {
            return .failed(error.userMessage)
        }
    }

    private func verdict(_ body: () async throws(KubeError) -> Void) async -> KeyDiagnostics.Finding.Verdict {
        do {
            try await body()
            return .passed
        } catch {
            return .failed(error.userMessage)
        }
    }

    /// The server stamps even what it only pretends to make.
    private func clock(_ now: () -> Date) async -> KeyDiagnostics.Finding.Verdict {
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
            else { return .skipped("the server gives no time") }
            return Self.clockVerdict(seconds: now().timeIntervalSince(server))
        } catch {
            return .skipped("\(error)")
        }
    }

    /// Tokens and signatures are refused from about five minutes on; a minute is worth a word.
    package static func clockVerdict(seconds: Double) -> KeyDiagnostics.Finding.Verdict {
        guard abs(seconds) > 60 else { return .passed }
        let direction = seconds > 0 ? "ahead of" : "behind"
        return .failed("it is \(Int(abs(seconds))) s \(direction) the API server's; set up NTP")
    }
}
