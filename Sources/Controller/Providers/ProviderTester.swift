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
    private let statuses: ProviderStatuses
    private let deniedAudiences: Set<String>
    private let logger: Logger
    private let machine = Locked(ProviderTestMachine())
    /// Providers of the first list that did not change since, whose last test therefore counts.
    private let unchanged = Locked<Set<ProviderRef>>([])
    /// The last use of each provider that only WrappedSecrets can test.
    private let uses = Locked<[ProviderRef: ProviderTestResult]>([:])
    private let timer = WakeableTimer()
    private let outage = LogOnce()
    /// Providers whose failure was logged and not reported, because another controller reports that they work.
    private let unreported = Locked<Set<ProviderRef>>([])

    /// - Parameter deniedAudiences: The audiences of the API server.
    init(
        _ caches: ProviderCaches, _ rings: ProviderKeyRings, _ statuses: ProviderStatuses,
        deniedAudiences: Set<String>, logger: Logger
    ) {
        self.caches = caches
        self.rings = rings
        self.statuses = statuses
        self.deniedAudiences = deniedAudiences
        self.logger = logger
    }

    /// True if nothing is remembered of any provider.
    var isEmpty: Bool {
        machine.withLock(\.isEmpty) && unchanged.withLock(\.isEmpty) && uses.withLock(\.isEmpty)
            && unreported.withLock(\.isEmpty)
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
        unreported.withLock { _ = $0.remove(provider) }
        statuses.forget(provider)
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
    /// one namespace without access, or one ciphertext that names a key version that does not exist, must not change what the
    /// status says for the others.
    func recordUse(of resolved: ResolvedProvider, _ result: Result<OpenedEnvelope, EnvelopeError>) {
        let provider = resolved.provider
        let isReady = statuses.state(of: provider)?.status?.ready?.status == "True"
        let isShared = provider.isClusterScoped && resolved.serviceAccount != nil
        switch result {
        case .success(let opened):
            // Also of a provider that is ready: the test that an earlier failure requested must not report that failure.
            if isShared { uses.withLock { $0[provider] = .opened(keyID: opened.keyID) } }
            if isReady { return }
            request(provider)
        case .failure(.keyManager(let error)):
            if isShared, error.concernsOneCiphertext { return }
            switch error.code {
            case .invalidCiphertext, .cancelled: return
            case .accessDenied, .misconfigured:
                if isShared, isReady { return }
            case .keyUnavailable, .throttled, .unavailable: break
            }
            if isShared { uses.withLock { $0[provider] = .failedUse(error) } }
            // It may be another one than `resolved` has, or may not exist any more.
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
        defer { forgetIfDeleted(provider) }
        guard let previous = statuses.state(of: provider) else {
            return finish(provider, isFinal: true, askedKMS: false, exists: false)
        }
        let result = await evaluate(provider, previous)
        // A test that was cancelled says nothing about the provider.
        guard !Task.isCancelled else { return finish(provider, isFinal: false, askedKMS: true) }
        finish(
            provider, isFinal: await report(result, of: provider, previous), askedKMS: result.askedKMS)
    }

    private func finish(_ provider: ProviderRef, isFinal: Bool, askedKMS: Bool, exists: Bool = true) {
        machine.withLock {
            $0.finished(
                provider, isFinal: isFinal, askedKMS: askedKMS, exists: exists, now: .now,
                random: .random(in: 0..<1))
        }
        timer.signal()
    }

    /// Forgets what a test, or a WrappedSecret that used the provider, has recorded since its deletion.
    private func forgetIfDeleted(_ provider: ProviderRef) {
        guard caches.state(of: provider) == nil else { return }
        uses.withLock { $0[provider] = nil }
        unreported.withLock { _ = $0.remove(provider) }
    }

    private func evaluate(
        _ provider: ProviderRef, _ previous: ProviderStatuses.State
    ) async -> ProviderTestResult {
        do throws(ProviderError) {
            let resolution = ProviderResolution(caches, deniedAudiences: deniedAudiences)
            let resolved = try resolution.resolveForTest(provider)
            let manager = try rings.keyManager(for: resolved)
            if resolved.serviceAccount?.ref.namespace.isEmpty == true {
                return uses.withLock { $0[provider] } ?? .notTested
            }
            // A restart of the controller does not test again what has passed.
            let status = previous.status
            if status?.observedGeneration == previous.metadata.generation, status?.ready?.status == "True",
                previous.isKnown, unchanged.withLock({ $0.contains(provider) })
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
        _ result: ProviderTestResult, of provider: ProviderRef, _ previous: ProviderStatuses.State
    ) async -> Bool {
        guard
            var status = result.status(
                after: previous.status, generation: previous.metadata.generation, now: Timestamp.now.rfc3339)
        else { return result.isFinal }
        status.reporter = statuses.reporter(of: provider)
        guard status != previous.status || !previous.isKnown else { return result.isFinal }
        let isReported = status.mayReplace(previous.status)
        let isNews = isReported || unreported.withLock { $0.insert(provider).inserted }
        logger.log(
            level: !isNews ? .debug : status.ready?.status == "False" ? .warning : .info,
            "key provider tested",
            metadata: [
                "provider": "\(provider)", "reason": "\(status.ready?.reason ?? "")",
                "message": "\(status.ready?.message ?? "")", "reported": "\(isReported)",
            ])
        guard isReported else { return result.isFinal }
        do {
            try await statuses.write(status, of: provider, over: previous)
            _ = outage.reset()
            return result.isFinal
        } catch {
            // Deleted meanwhile: the watch shows that.
            if error.code == .notFound { return true }
            logger.log(
                level: outage.shouldLog(error.code.rawValue) ? .warning : .debug,
                "status of a key provider not written",
                metadata: ["provider": "\(provider)", "error": "\(error)"])
            return false
        }
    }
}
