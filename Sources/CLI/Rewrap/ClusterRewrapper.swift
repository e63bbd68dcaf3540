package import Envelope
package import KubeClient
import Resources
import System

/// Rewraps the data keys of a cluster's WrappedSecrets, page by page.
package struct ClusterRewrapper: Sendable {
    private let envelopes: EnvelopeRewrapper
    private let keys: KeyRing
    private let client: KubeClient
    private let isDryRun: Bool

    private static let pageSize = 200
    /// The number of patches in flight at once.
    private static let concurrency = 16

    package init(
        keys: KeyRing, strategy: RewrapStrategy, client: KubeClient, isDryRun: Bool,
        retryPolicy: KMSRetryPolicy = KMSRetryPolicy()
    ) {
        envelopes = EnvelopeRewrapper(keys: keys, strategy: strategy, retryPolicy: retryPolicy)
        self.keys = keys
        self.client = client
        self.isDryRun = isDryRun
    }

    /// Rewraps all WrappedSecrets of the selection.
    ///
    /// - Parameters:
    ///   - expect: Gets the number of WrappedSecrets whenever the API server reports it.
    ///   - report: Gets the results of each page.
    /// - Throws: `KubeError` if the WrappedSecrets cannot be listed.
    package func rewrap(
        _ selection: Selection, expect: (Int) -> Void = { _ in },
        report: @escaping @Sendable ([RewrapResult]) -> Void
    ) async throws(KubeError) {
        var pager = ListPager<WrappedSecret>(client, selection, size: Self.pageSize)
        var read = 0
        while !Task.isCancelled, let page = try await pager.nextPage() {
            read += page.items.count
            if let remaining = page.remaining,
                case let (total, false) = read.addingReportingOverflow(remaining)
            {
                expect(total)
            }
            report(await rewrap(page.items))
        }
    }

    private func rewrap(_ items: [Decoded<WrappedSecret>]) async -> [RewrapResult] {
        let parsed = items.map { item -> Result<(WrappedSecret, Envelope), InputError> in
            switch item {
            case .malformed(_, _, let problem):
                .failure(InputError("the WrappedSecret is malformed: \(problem)"))
            case .object(let object): object.parsedEnvelope.map { (object, $0) }
            }
        }
        var outcomes = await envelopes.rewrap(parsed.compactMap { try? $0.get().1 })[...]
        let work = zip(items, parsed).map { item, result in
            (item.metadata.ref, result, (try? result.get()) == nil ? nil : outcomes.popFirst())
        }
        return await mapConcurrently(work, limit: Self.concurrency) { ref, result, outcome in
            switch result {
            case .failure(let error):
                return RewrapResult(location: "\(ref)", outcome: .failed(error.description))
            case .success(let (object, _)):
                let outcome = outcome ?? .interrupted
                return RewrapResult(
                    location: "\(ref)", outcome: await write(object, outcome), keys: keys,
                    before: object.spec.envelope.recipients, after: outcome)
            }
        }
    }

    private func write(
        _ object: WrappedSecret, _ outcome: EnvelopeRewrapper.Outcome
    ) async -> RewrapResult.Outcome {
        switch outcome {
        case .current: return .current
        case .failed(let problem): return .failed(problem)
        case .interrupted: return .interrupted
        case .changed(let change):
            if isDryRun { return .changed(change.description) }
            do throws(KubeError) {
                let lost = try await RecipientWriter(client: client).replace(change.result, of: object)
                return .changed(change.description + Self.remark(lost))
            } catch  where error.code == .cancelled {
                return .interrupted
            } catch  where error.code == .notFound {
                // It may exist again by now, with its old recipients.
                return .failed("it was deleted meanwhile; run the command again")
            } catch  where [.conflict, .invalid].contains(error.code) {
                return .failed(
                    "another writer changed it meanwhile, so it was not rewrapped; run the command again")
            } catch {
                return .failed(error.userMessage)
            }
        }
    }

    /// - Parameter managers: The managers that lost the ownership of the recipients.
    private static func remark(_ managers: [String]) -> String {
        guard !managers.isEmpty else { return "" }
        return
            " (field manager \(managers.listed(limit: 4)) no longer owns spec.recipients; its next server-side "
            + "apply needs --force-conflicts)"
    }
}
