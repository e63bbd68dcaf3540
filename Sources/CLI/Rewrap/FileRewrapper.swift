package import Envelope
import KubeClient
import Resources
import System

/// Wraps the data keys of files anew, some files at a time: the KMS gets large batches, and an interrupt leaves all
/// files whole, some old and some new. Another run goes on where it ended.
package struct FileRewrapper: Sendable {
    private let rows: EnvelopeRewrapper
    private let keys: KeyRing
    private let namespace: String?
    private let isDryRun: Bool

    /// Files that go to the KMS together.
    private static let portion = 200
    private static let portionsAtOnce = 3
    /// Of each portion, so that a disk can make many files durable in one go.
    private static let writers = 16

    package init(
        keys: KeyRing, order: RewrapStrategy, namespace: String?, isDryRun: Bool,
        patience: KMSRetryPolicy = KMSRetryPolicy()
    ) {
        rows = EnvelopeRewrapper(keys: keys, order: order, patience: patience)
        self.keys = keys
        self.namespace = namespace
        self.isDryRun = isDryRun
    }

    /// `report` is told of each file when it is done with: its rows, or why it could not be read. It is called from
    /// several tasks.
    ///
    /// Returns the files that there was something to report of.
    @discardableResult
    package func rewrap(
        _ files: [String], report: @escaping @Sendable ([RewrapResult]) -> Void
    ) async -> Set<String> {
        let portions = stride(from: 0, to: files.count, by: Self.portion).map {
            Array(files[$0..<min($0 + Self.portion, files.count)])
        }
        let eventful = await mapConcurrently(portions, limit: Self.portionsAtOnce) { portion -> [String] in
            guard !Task.isCancelled else { return [] }
            return await rewrap(portion: portion, report)
        }
        return Set(eventful.joined())
    }

    /// A file that was read, with what the envelope of each of its rows is, or why it is none.
    private struct Work {
        let file: WrappedSecretFile
        let envelopes: [Result<Envelope, InputError>]
    }

    private func rewrap(
        portion: [String], _ report: @escaping @Sendable ([RewrapResult]) -> Void
    ) async -> [String] {
        var eventful: [String] = []
        var work: [Work] = []
        for path in portion {
            do throws(InputError) {
                let file = try WrappedSecretFile(reading: path)
                work.append(Work(file: file, envelopes: file.documents.map(envelope)))
                guard !file.documents.isEmpty else { continue }
            } catch {
                report([
                    RewrapResult(
                        location: path, outcome: .failed(error.description), previousKeyIDs: [],
                        unconfiguredKeyIDs: [],
                        isUnreadableFile: true)
                ])
            }
            eventful.append(path)
        }
        var outcomes = await rows.rewrap(
            work.flatMap { $0.envelopes.compactMap { try? $0.get() } }
        )[...]
        let finished = work.map { work in
            let results = work.envelopes.map { envelope -> EnvelopeRewrapper.Outcome in
                switch envelope {
                case .success: outcomes.popFirst() ?? .interrupted
                case .failure(let error): .failed(error.description)
                }
            }
            return (file: work.file, results: results)
        }
        await BlockingWork.run(finished, threads: Self.writers) { report(finish($0.file, $0.results)) }
        return eventful
    }

    private func envelope(_ document: WrappedSecretDocument) -> Result<Envelope, InputError> {
        do {
            let object = try document.object(namespace: namespace)
            return .success(
                try Envelope(
                    object.spec.envelope, namespace: object.metadata.namespace, secretName: object.secretName)
            )
        } catch let error as EnvelopeError {
            return .failure(InputError(error.description))
        } catch let error as InputError {
            return .failure(error)
        } catch {
            return .failure(InputError("\(error)"))
        }
    }

    /// Writes what there is to write; rows that failed do not keep the others of their file back.
    private func finish(_ file: WrappedSecretFile, _ results: [EnvelopeRewrapper.Outcome]) -> [RewrapResult] {
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
                case .failed(let why): .failed(why)
                case .interrupted: .interrupted
                }
            let listed = document.object.spec.envelope.recipients
            let foreign = result.recipients(of: listed).filter { keys.keyManager(for: $0) == nil }
            return RewrapResult(
                location: "\(document.location): \(document.object.metadata.name)", outcome: outcome,
                previousKeyIDs: listed.map(\.keyID), unconfiguredKeyIDs: foreign.map(\.keyID))
        }
    }
}
