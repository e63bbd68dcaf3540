package import Envelope
package import KubeClient
import Resources
import System

/// Wraps the data keys of a cluster's WrappedSecrets anew, a page at a time.
package struct ClusterRewrapper: Sendable {
    private let rows: EnvelopeRewrapper
    private let keys: KeyRing
    private let client: KubeClient
    private let isDryRun: Bool

    private static let page = 200
    /// Patches in flight at once.
    private static let concurrency = 16

    package init(
        keys: KeyRing, order: RewrapStrategy, client: KubeClient, isDryRun: Bool,
        patience: KMSRetryPolicy = KMSRetryPolicy()
    ) {
        rows = EnvelopeRewrapper(keys: keys, order: order, patience: patience)
        self.keys = keys
        self.client = client
        self.isDryRun = isDryRun
    }

    /// `expect` is told how many rows there are, as soon as the server says it; `report` of each row when it is done with.
    ///
    /// Errors: the cluster's objects cannot be listed.
    package func rewrap(
        _ selection: Selection, expect: (Int) -> Void = { _ in },
        report: @escaping @Sendable ([RewrapResult]) -> Void
    ) async throws(KubeError) {
        var pager = ListPager<WrappedSecret>(client, selection, size: Self.page)
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
        let rows = items.map { item -> Result<(WrappedSecret, Envelope), InputError> in
            switch item {
            case .malformed(_, _, let problem):
                .failure(InputError("the WrappedSecret is malformed: \(problem)"))
            case .object(let object): envelope(object).map { (object, $0) }
            }
        }
        var outcomes = await self.rows.rewrap(rows.compactMap { try? $0.get().1 })[...]
        let work = zip(items, rows).map { item, row in
            (item.metadata.ref, row, (try? row.get()) == nil ? nil : outcomes.popFirst())
        }
        return await mapConcurrently(work, limit: Self.concurrency) { ref, row, outcome in
            switch row {
            case .failure(let error):
                return RewrapResult(
                    location: "\(ref)", outcome: .failed(error.description), previousKeyIDs: [],
                    unconfiguredKeyIDs: [])
            case .success(let (object, _)):
                let outcome = outcome ?? .interrupted
                let foreign = outcome.recipients(of: object.spec.envelope.recipients)
                    .filter { keys.keyManager(for: $0) == nil }
                return RewrapResult(
                    location: "\(ref)", outcome: await finish(object, outcome),
                    previousKeyIDs: object.spec.envelope.recipients.map(\.keyID),
                    unconfiguredKeyIDs: foreign.map(\.keyID))
            }
        }
    }

    private func envelope(_ object: WrappedSecret) -> Result<Envelope, InputError> {
        do throws(EnvelopeError) {
            return .success(
                try Envelope(
                    object.spec.envelope, namespace: object.metadata.namespace, secretName: object.secretName)
            )
        } catch {
            return .failure(InputError(error.description))
        }
    }

    private func finish(
        _ object: WrappedSecret, _ outcome: EnvelopeRewrapper.Outcome
    ) async -> RewrapResult.Outcome {
        switch outcome {
        case .current: return .current
        case .failed(let why): return .failed(why)
        case .interrupted: return .interrupted
        case .changed(let change):
            if isDryRun { return .changed(change.description) }
            do throws(KubeError) {
                let lost = try await RecipientWriter(client: client).replace(change.result, of: object)
                return .changed(change.description + Self.remark(lost))
            } catch  where error.code == .cancelled {
                return .interrupted
            } catch  where error.code == .notFound {
                // It may be back by now, as it was.
                return .failed("it went away meanwhile; run this again")
            } catch  where [.conflict, .invalid].contains(error.code) {
                return .failed("somebody else changed it meanwhile; it was left as it is, run this again")
            } catch {
                return .failed(error.userMessage)
            }
        }
    }

    /// - Parameter managers: which do not own the recipients any more.
    private static func remark(_ managers: [String]) -> String {
        guard !managers.isEmpty else { return "" }
        return
            " (field manager \(managers.joined(separator: ", ")) no longer owns spec.recipients; its next server-side "
            + "apply needs --force-conflicts)"
    }
}
