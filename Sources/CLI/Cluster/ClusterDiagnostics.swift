import Cryptography
package import Envelope
package import FoundationEssentials
package import KubeClient
import Resources
import System

/// Checks the API server for the permissions and objects that the commands need.
package struct ClusterDiagnostics: Sendable {
    private let client: KubeClient
    private let selection: Selection
    private let keys: KeyRing?
    private let sleep: @Sendable (Duration) async -> Void

    /// How often to list again, one second apart, while a controller may still observe a new object.
    private static let maximumRelists = 12

    package init(
        _ client: KubeClient, _ selection: Selection, keys: KeyRing? = nil,
        sleep: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.client = client
        self.selection = selection
        self.keys = keys
        self.sleep = sleep
    }

    /// Runs the checks. Stops early if the namespace or the WrappedSecrets cannot be read.
    ///
    /// - Parameter now: The time by this machine's clock, which is compared with the API server's.
    package func findings(now: @Sendable () -> Date) async -> [Finding] {
        var findings: [Finding] = []
        if let namespace = selection.namespace {
            let presence = await presence(of: namespace)
            findings.append(Finding("namespace \(namespace)", presence, isRequired: true))
            if case .failed = presence { return findings }
        }
        var page: ListPage<WrappedSecret>?
        let listing = await verdict { () throws(KubeError) in
            page = try await client.list(WrappedSecret.self, selection)
        }
        findings.append(Finding("list WrappedSecrets", listing, isRequired: true))
        guard let page else { return findings }
        var evidence = ControllerEvidence(page.items, now: now())
        for _ in 0..<Self.maximumRelists where evidence.isPending {
            await sleep(.seconds(1))
            guard let page = try? await client.list(WrappedSecret.self, selection) else { break }
            evidence = ControllerEvidence(page.items, now: now())
        }
        if let keys, let listed = Self.keyVerdict(page, keys) {
            findings.append(
                Finding("a WrappedSecret has a configured key as recipient", listed, isRequired: true))
        }
        findings += [
            Finding(
                "a controller reconciles WrappedSecrets", await watched(evidence, now: now()),
                isRequired: true),
            Finding(
                "list Secrets, metadata only (for import)",
                await verdict { () throws(KubeError) in
                    _ = try await client.list(SecretMetadata.self, selection, limit: 1)
                }),
            Finding("this machine's clock", await clock(now)),
        ]
        return findings
    }

    /// Recent status updates take precedence over the watch scopes that controllers publish in Leases, because a
    /// controller may run without a Lease.
    private func watched(_ evidence: ControllerEvidence, now: Date) async -> Finding.Verdict {
        let observed = evidence.verdict
        guard case .skipped(let reason) = observed,
            let published = await ControllerScopes(of: client, now: now)?.verdict(selection.namespace)
        else { return observed }
        // The controller that updated the status may run without a Lease.
        guard evidence.isStale, case .failed(let other) = published else { return published }
        return .skipped("\(reason); \(other)")
    }

    /// Compares the configured keys with the recipients of a page of WrappedSecrets. Returns nil if there are no
    /// recipients.
    static func keyVerdict(_ page: ListPage<WrappedSecret>, _ keys: KeyRing) -> Finding.Verdict? {
        let objects = page.items.compactMap { item in
            if case .object(let object) = item { object } else { nil }
        }
        let recipients = objects.flatMap(\.spec.envelope.recipients)
        guard !recipients.isEmpty else { return nil }
        guard !recipients.contains(where: { keys.keyManager(for: $0) != nil }) else { return .passed }
        let keyIDs = Set(recipients.map(\.keyID)).sorted()
        let isAll = page.metadata.continue?.isEmpty != false
        let problem =
            "none of \(isAll ? "" : "the first ")\(pluralized(objects.count, "WrappedSecret")) is for a configured key; "
            + "their recipients are \(keyIDs.listed(limit: 3))"
        return isAll ? .failed("\(problem); configure one of these") : .skipped(problem)
    }

    private func presence(of namespace: String) async -> Finding.Verdict {
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

    private func verdict(_ body: () async throws(KubeError) -> Void) async -> Finding.Verdict {
        do {
            try await body()
            return .passed
        } catch {
            return .failed(error.userMessage)
        }
    }

    /// Compares the clocks. The API server sets creationTimestamp in a dry run, too.
    private func clock(_ now: () -> Date) async -> Finding.Verdict {
        let namespace = selection.namespace ?? "default"
        let body =
            #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"secrets-bridge-clock","namespace":"\#(namespace)"}}"#
        let resource = Resource(group: "", version: "v1", kind: "ConfigMap", plural: "configmaps")
        do {
            let created = try await client.create(
                resource, ObjectRef(namespace: namespace, name: "secrets-bridge-clock"),
                body: SharedSecret(copying: body.utf8), isDryRun: true)
            guard let stamp = created.creationTimestamp,
                let server = try? Date(stamp, strategy: .iso8601)
            else { return .skipped("the API server returned no creationTimestamp") }
            return Self.clockVerdict(seconds: now().timeIntervalSince(server))
        } catch {
            return .skipped("\(error)")
        }
    }

    /// Fails if the clocks differ by more than a minute. From about five minutes, servers refuse tokens and signatures.
    package static func clockVerdict(seconds: Double) -> Finding.Verdict {
        guard abs(seconds) > 60 else { return .passed }
        let direction = seconds > 0 ? "ahead of" : "behind"
        return .failed("it is \(Int(abs(seconds))) s \(direction) the API server's; set up NTP")
    }
}
