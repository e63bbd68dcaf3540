package import Envelope
import KubeClient
import Primitives
import Resources

/// Wraps the data keys of files anew, some files at a time: the KMS gets large batches, and an interrupt leaves all
/// files whole, some old and some new. Another run goes on where it ended.
package struct FileRewrapping: Sendable {
    private let rows: RowRewrapping
    private let keys: KeyRing
    private let namespace: String?
    private let isDryRun: Bool

    /// Files that go to the KMS together.
    private static let portion = 200
    private static let portionsAtOnce = 3
    /// Of each portion, so that a disk can make many files durable in one go.
    private static let writers = 16

    package init(
        keys: KeyRing, order: RewrapOrder, namespace: String?, isDryRun: Bool,
        patience: KMSPatience = KMSPatience()
    ) {
        rows = RowRewrapping(keys: keys, order: order, patience: patience)
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
        _ files: [String], report: @escaping @Sendable ([RewrapRow]) -> Void
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
        portion: [String], _ report: @escaping @Sendable ([RewrapRow]) -> Void
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
                    RewrapRow(
                        place: path, outcome: .failed(error.description), listed: [], foreign: [],
                        isFile: true)
                ])
            }
            eventful.append(path)
        }
        var outcomes = await rows.rewrap(
            work.flatMap { $0.envelopes.compactMap { try? $0.get() } }
        )[...]
        let finished = work.map { work in
            let results = work.envelopes.map { envelope -> RowRewrapping.Outcome in
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
    private func finish(_ file: WrappedSecretFile, _ results: [RowRewrapping.Outcome]) -> [RewrapRow] {
        var failure: String?
        let changes = results.map { result -> RecipientChange? in
            if case .moved(let change) = result { change } else { nil }
        }
        if !isDryRun, changes.contains(where: { $0 != nil }) {
            do throws(InputError) {
                try RecipientEdit.replace(file, changes)
            } catch {
                failure = error.description
            }
        }
        return zip(file.documents, results).map { document, result in
            let outcome: RewrapRow.Outcome =
                switch result {
                case .current: .current
                case .moved(let change): failure.map { .failed($0) } ?? .moved(change.description)
                case .failed(let why): .failed(why)
                case .interrupted: .interrupted
                }
            let listed = document.object.spec.envelope.recipients
            let foreign = result.recipients(of: listed).filter { keys.manager(for: $0) == nil }
            return RewrapRow(
                place: "\(document.place): \(document.object.metadata.name)", outcome: outcome,
                listed: listed.map(\.keyID), foreign: foreign.map(\.keyID))
        }
    }
}
