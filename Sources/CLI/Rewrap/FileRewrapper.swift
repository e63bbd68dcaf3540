package import Envelope
import KubeClient
import Resources
import System

/// Rewraps the data keys of files, in portions: the KMS gets large batches, and an interrupt leaves every file
/// complete, old or new. Another run continues.
package struct FileRewrapper: Sendable {
    private let envelopes: EnvelopeRewrapper
    private let keys: KeyRing
    private let namespace: String?
    private let isDryRun: Bool
    private let rules: RuleBook
    /// True if files follow their rules, because no option names recipients.
    private let followsRules: Bool

    /// The number of files whose data keys go to the KMS together.
    private static let portionSize = 200
    private static let concurrentPortions = 3
    /// The number of threads that write the files of a portion: a disk can sync many files at once.
    private static let writers = 16

    /// - Parameter rules: The rules that files follow with the strategy `refresh`. Another strategy overrides them.
    package init(
        keys: KeyRing, strategy: RewrapStrategy, namespace: String?, isDryRun: Bool,
        rules: RuleBook = RuleBook(.none), retryPolicy: KMSRetryPolicy = KMSRetryPolicy()
    ) {
        self.rules = rules
        followsRules = if case .refresh = strategy { true } else { false }
        envelopes = EnvelopeRewrapper(keys: keys, strategy: strategy, retryPolicy: retryPolicy)
        self.keys = keys
        self.namespace = namespace
        self.isDryRun = isDryRun
    }

    /// Rewraps all files.
    ///
    /// - Parameter report: Gets the results of each file, or the error that made it unreadable, in the order of the files,
    ///   from several tasks.
    /// - Returns: The files that contain a WrappedSecret or could not be read.
    @discardableResult
    package func rewrap(
        _ files: [String], report: @escaping @Sendable ([RewrapResult]) -> Void
    ) async -> Set<String> {
        let portions = stride(from: 0, to: files.count, by: Self.portionSize).map {
            files[$0..<min($0 + Self.portionSize, files.count)]
        }
        let reports = OrderedReports(report)
        let reported = await mapConcurrently(portions, limit: Self.concurrentPortions) {
            portion -> [String] in
            guard !Task.isCancelled else {
                for index in portion.indices { reports.skip(index) }
                return []
            }
            return await rewrap(portion: portion, reports)
        }
        return Set(reported.joined())
    }

    /// A file with the envelope of each WrappedSecret, or the error that makes it invalid.
    private struct Work {
        /// The place of the file in the order of all.
        let index: Int
        let file: WrappedSecretFile
        let rule: Rule?
        let envelopes: [Result<Envelope, InputError>]

        /// - Parameter rule: The rule for the file, or the error of finding it.
        init(
            _ file: WrappedSecretFile, at index: Int, namespace: String?, rule: Result<Rule?, InputError>
        ) {
            self.index = index
            self.file = file
            self.rule = (try? rule.get()) ?? nil
            envelopes = file.documents.map { document in
                rule.flatMap { rule in
                    Result { () throws(InputError) in try document.object(namespace: namespace, rule: rule) }
                        .flatMap(\.parsedEnvelope)
                }
            }
        }
    }

    private func rewrap(
        portion: ArraySlice<String>, _ reports: OrderedReports
    ) async -> [String] {
        var reported: [String] = []
        var work: [Work] = []
        for (index, path) in zip(portion.indices, portion) {
            do throws(InputError) {
                let file = try WrappedSecretFile(reading: path)
                let rule = Result { () throws(InputError) in
                    file.documents.isEmpty ? nil : try rules.rule(for: path)
                }
                work.append(Work(file, at: index, namespace: namespace, rule: rule))
                guard !file.documents.isEmpty else { continue }
            } catch {
                let result = RewrapResult(
                    location: path, outcome: .failed(error.description), isUnreadableFile: true)
                reports.add([result], at: index)
            }
            reported.append(path)
        }
        let valid = work.flatMap { work in
            work.envelopes.compactMap { try? $0.get() }.map {
                (envelope: $0, requirement: work.rule?.recipients)
            }
        }
        var requirements: [Int: RecipientRequirement] = [:]
        if followsRules { for (index, item) in valid.enumerated() { requirements[index] = item.requirement } }
        var outcomes = await envelopes.rewrap(valid.map(\.envelope), requirements: requirements)[...]
        let finished = work.map { work in
            let results = work.envelopes.map { envelope -> EnvelopeRewrapper.Outcome in
                switch envelope {
                case .success: outcomes.popFirst() ?? .interrupted
                case .failure(let error): .failed(error.description)
                }
            }
            return (index: work.index, file: work.file, rule: work.rule, results: results)
        }
        await BlockingWork.run(finished, threads: Self.writers) {
            reports.add(write($0.file, $0.rule, $0.results), at: $0.index)
        }
        return reported
    }

    /// Writes the changed file. A WrappedSecret that failed does not keep the others from being written.
    private func write(
        _ file: WrappedSecretFile, _ rule: Rule?, _ results: [EnvelopeRewrapper.Outcome]
    ) -> [RewrapResult] {
        var failure: String?
        let changes = results.map { result -> RecipientChange? in
            if case .changed(let change) = result { change } else { nil }
        }
        if !isDryRun, changes.contains(where: { $0 != nil }) {
            do throws(InputError) {
                try RecipientEdit.write(file, changes)
            } catch {
                failure = error.description
            }
        }
        return zip(file.documents, results).map { document, result in
            let outcome: RewrapResult.Outcome =
                switch result {
                case .current: .current
                case .changed(let change): failure.map { .failed($0) } ?? .changed(change.description)
                case .failed(let problem): .failed(problem)
                case .interrupted: .interrupted
                }
            let old = document.object.spec.envelope.recipients
            var item = RewrapResult(
                location: "\(document.location): \(document.object.metadata.name.truncated(toUTF8: 253))",
                outcome: outcome,
                keys: keys, before: old, after: result)
            guard let rule, rule.recipients != nil else { return item }
            if !followsRules {
                item.overriddenRule = rule.description
            } else if item.isDone {
                item.ruleViolations = RuleEnforcement.recipientViolations(
                    of: result.recipients(of: old).map(\.keyID), by: rule)
            }
            return item
        }
    }
}

/// Passes results on in the order of their files, whichever are finished first. Thread-safe.
private final class OrderedReports: Sendable {
    private struct State {
        var next = 0
        /// The results by file, or nil for one that was not processed.
        var finished: [Int: [RewrapResult]?] = [:]
    }

    private let state = Locked(State())
    private let report: @Sendable ([RewrapResult]) -> Void

    init(_ report: @escaping @Sendable ([RewrapResult]) -> Void) {
        self.report = report
    }

    func add(_ results: [RewrapResult], at index: Int) { finish(index, results) }

    /// Passes nothing on for a file that was not processed.
    func skip(_ index: Int) { finish(index, nil) }

    private func finish(_ index: Int, _ results: [RewrapResult]?) {
        state.withLock { state in
            state.finished.updateValue(results, forKey: index)
            while let results = state.finished.removeValue(forKey: state.next) {
                state.next += 1
                if let results { report(results) }
            }
        }
    }
}

/// Runs blocking calls, such as fsync, on threads of their own. On Swift's thread pool they would block other tasks,
/// and a disk handles many at once better than one after the other.
enum BlockingWork {
    private struct State {
        var next = 0
        var threads: Int
    }

    /// Calls `body` for every element and returns when all calls have returned.
    static func run<Element: Sendable>(
        _ elements: [Element], threads: Int, _ body: @escaping @Sendable (Element) -> Void
    ) async {
        guard !elements.isEmpty else { return }
        let count = min(max(threads, 1), elements.count)
        let state = Locked(State(threads: count))
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let work: @Sendable () -> Void = {
                while let element = state.withLock({ state in
                    defer { state.next += 1 }
                    return state.next < elements.count ? elements[state.next] : nil
                }) {
                    body(element)
                }
                let isLast = state.withLock { state in
                    state.threads -= 1
                    return state.threads == 0
                }
                if isLast { continuation.resume() }
            }
            // If no thread can be started, the caller's thread does the work.
            for _ in 0..<count where startThread(work) != 0 { work() }
        }
    }
}
