import Concurrency
import Envelope
import KubeClient
import Logging
import Resources
import System

/// Tests the keys of providers, and reports the results in their statuses while this process leads. `ProviderTestMachine`
/// decides when. Safe to use from any thread.
final class ProviderTester: Sendable {
    private let caches: ProviderCaches
    private let rings: ProviderKeyRings
    private let client: KubeClient
    private let deniedAudiences: Set<String>
    /// The watched namespaces, or none for all. Another controller tests the KeyProviders of others.
    private let namespaces: Set<String>
    private let logger: Logger
    private let machine = Locked(ProviderTestMachine())
    /// Providers of the first list that did not change since, whose last test therefore counts.
    private let unchanged = Locked<Set<ProviderRef>>([])
    /// The last use of each provider that only WrappedSecrets can test.
    private let uses = Locked<[ProviderRef: ProviderTestResult]>([:])
    private let timer = WakeableTimer()
    private let outage = LogOnce()

    /// - Parameters:
    ///   - deniedAudiences: The audiences of the API server.
    ///   - namespaces: The watched namespaces; empty for all.
    init(
        _ caches: ProviderCaches, _ rings: ProviderKeyRings, client: KubeClient, deniedAudiences: Set<String>,
        namespaces: Set<String>, logger: Logger
    ) {
        self.caches = caches
        self.rings = rings
        self.client = client
        self.deniedAudiences = deniedAudiences
        self.namespaces = namespaces
        self.logger = logger
    }

    // MARK: events

    /// The provider is new, was changed or was deleted.
    ///
    /// - Parameter isInitial: True for a provider of the first list, which may have changed while no controller ran.
    func providerChanged(_ provider: ProviderRef, isInitial: Bool) {
        unchanged.withLock {
            if isInitial { $0.insert(provider) } else { $0.remove(provider) }
        }
        uses.withLock { $0[provider] = nil }
        guard caches.state(of: provider) != nil else { return machine.withLock { $0.forget(provider) } }
        request(provider)
    }

    /// The labels of a namespace have changed, which decide whether its KeyProviders may use their ClusterKeyProvider.
    func namespaceChanged(_ name: String) {
        for provider in caches.keyProviders(inNamespace: name) {
            unchanged.withLock { _ = $0.remove(provider) }
            request(provider)
        }
    }

    private func request(_ provider: ProviderRef) {
        let cluster = caches.clusterKeyProvider(of: provider)
        machine.withLock { $0.request(provider, of: cluster, now: .now) }
    }

    /// Starts the tests that are due.
    func wakeUp() {
        timer.signal()
    }

    /// Records how an unwrap of a WrappedSecret ended.
    ///
    /// A provider that logs in as the service accounts of several namespaces fails as a whole only if its key or its KMS does:
    /// one namespace without access must not change what the status says for the others.
    func recordUse(of resolved: ResolvedProvider, _ result: Result<OpenedEnvelope, EnvelopeError>) {
        let provider = resolved.provider
        let isReady = caches.state(of: provider)?.status?.ready?.status == "True"
        let isShared = provider.isClusterScoped && resolved.serviceAccount != nil
        switch result {
        case .success(let opened):
            if isReady { return }
            if isShared { uses.withLock { $0[provider] = .opened(keyID: opened.keyID) } }
            request(provider)
        case .failure(.keyManager(let error)):
            switch error.code {
            case .invalidCiphertext, .cancelled: return
            case .accessDenied, .misconfigured:
                if isShared, isReady { return }
            case .keyUnavailable, .throttled, .unavailable: break
            }
            if isShared { uses.withLock { $0[provider] = .failedUse(error) } }
            let cluster = caches.clusterKeyProvider(of: provider)
            machine.withLock { $0.suspect(provider, of: cluster, now: .now) }
        case .failure: return
        }
        unchanged.withLock { _ = $0.remove(provider) }
        timer.signal()
    }

    // MARK: tests

    /// Runs the tests that are due until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            await timer.run {
                // Before everything is listed, a provider would seem not to exist.
                guard caches.isComplete else { return nil }
                for provider in machine.withLock({ $0.takeDue(now: .now) }) {
                    group.addTask { await self.test(provider) }
                }
                return machine.withLock { $0.nextDue }
            }
            group.cancelAll()
        }
    }

    private func test(_ provider: ProviderRef) async {
        guard let (metadata, previous) = caches.state(of: provider), looksAfter(provider) else {
            return finish(provider, isFinal: true, askedKMS: false)
        }
        let result = await evaluate(provider, metadata, previous)
        // A test that was cancelled says nothing about the provider.
        guard !Task.isCancelled else { return finish(provider, isFinal: false, askedKMS: true) }
        finish(
            provider, isFinal: await report(result, of: provider, metadata, previous),
            askedKMS: result.askedKMS)
    }

    private func looksAfter(_ provider: ProviderRef) -> Bool {
        provider.isClusterScoped || namespaces.isEmpty || namespaces.contains(provider.object.namespace)
    }

    private func finish(_ provider: ProviderRef, isFinal: Bool, askedKMS: Bool) {
        machine.withLock {
            $0.finished(
                provider, isFinal: isFinal, askedKMS: askedKMS, now: .now, random: .random(in: 0..<1))
        }
        timer.signal()
    }

    private func evaluate(
        _ provider: ProviderRef, _ metadata: ObjectMeta, _ previous: KeyProviderStatus?
    ) async -> ProviderTestResult {
        do throws(ProviderError) {
            let resolution = ProviderResolution(caches, deniedAudiences: deniedAudiences)
            let resolved = try resolution.resolveForTest(provider)
            let manager = try rings.keyManager(for: resolved)
            if resolved.serviceAccount?.ref.namespace.isEmpty == true {
                return uses.withLock { $0[provider] } ?? .notTested
            }
            // A restart of the controller does not test again what has passed.
            if previous?.observedGeneration == metadata.generation, previous?.ready?.status == "True",
                unchanged.withLock({ $0.contains(provider) })
            {
                return .unchanged
            }
            let result = await manager.diagnose()
            return ProviderTestResult(result, keyID: manager.keyID)
        } catch {
            return .invalid(error)
        }
    }

    /// - Returns: True if the status needs no other attempt until something changes.
    private func report(
        _ result: ProviderTestResult, of provider: ProviderRef, _ metadata: ObjectMeta,
        _ previous: KeyProviderStatus?
    ) async -> Bool {
        guard
            let status = result.status(
                after: previous, generation: metadata.generation, now: Timestamp.now.rfc3339),
            status != previous
        else { return result.isFinal }
        logger.log(
            level: status.ready?.status == "False" ? .warning : .info, "key provider tested",
            metadata: [
                "provider": "\(provider)", "reason": "\(status.ready?.reason ?? "")",
                "message": "\(status.ready?.message ?? "")",
            ])
        do {
            let encoded = try status.encoded()
            let resource = provider.isClusterScoped ? ClusterKeyProvider.resource : KeyProvider.resource
            let patch = JSONPatch { patch in
                patch.test("/metadata/uid", metadata.uid ?? "")
                patch.operation("add", "/status") { $0.encoded(encoded) }
            }
            _ = try await client.patch(resource, provider.object, subresource: "status", .json(patch))
            _ = outage.reset()
            return result.isFinal
        } catch let error as KubeError {
            // Deleted meanwhile: the watch shows that.
            if error.code == .notFound { return true }
            logger.log(
                level: outage.shouldLog(error.code.rawValue) ? .warning : .debug,
                "status of a key provider not written",
                metadata: ["provider": "\(provider)", "error": "\(error)"])
            return false
        } catch {
            return false
        }
    }
}
