package import Envelope
import Primitives
import Resources

/// Checks WrappedSecrets in files: that each keeps the rules of the format, and, with keys, that it opens.
package struct Verification: Sendable {
    /// nil: offline.
    private let keys: KeyRing?
    private let namespace: String?

    private static let concurrency = 200

    /// `keys` nil: what needs no key is checked alone.
    package init(keys: KeyRing?, namespace: String?) {
        self.keys = keys
        self.namespace = namespace
    }

    package struct Result: Sendable {
        /// WrappedSecrets that were looked at.
        package let count: Int
        /// One line each, with its place.
        package fileprivate(set) var problems: [String]
        /// Properties that a controller with default settings refuses, one line each, with its place.
        package fileprivate(set) var notes: [String] = []
        /// Of the WrappedSecrets, those without a problem.
        fileprivate var soundCount = 0

        /// - Parameter good: what those without a problem do, as in `they open`.
        package func summary(_ good: String) -> String {
            let counts = "\(counted(count, "WrappedSecret")), \(counted(problems.count, "problem"))"
            guard !problems.isEmpty else { return "\(counts); all \(good)" }
            return soundCount == 0 ? counts : "\(counts); the others \(good)"
        }
    }

    /// `advance` is called when a WrappedSecret is done with, from several tasks.
    package func verify(
        _ files: WrappedSecretFiles, advance: @escaping @Sendable () -> Void = {}
    ) async -> Result {
        let documents = files.documents
        let all = documents.count
        var result = Result(count: all, problems: files.problems.map(\.description))
        let problems = await mapConcurrently(documents, limit: Self.concurrency) { document in
            defer { advance() }
            return await problem(of: document, among: all)
        }
        result.notes = documents.flatMap(notes)
        result.soundCount = problems.count { $0 == nil }
        result.problems += problems.compactMap(\.self)
        return result
    }

    /// Returns none for what `problem` reports.
    private func notes(on document: WrappedSecretDocument) -> [String] {
        guard let object = try? document.object(namespace: namespace), let blueprint = try? Blueprint(object)
        else { return [] }
        return DefaultDenials.warnings(
            name: blueprint.name, type: blueprint.type, labels: blueprint.labels,
            annotations: blueprint.annotations
        ).map { "\(document.place): \($0)" }
    }

    /// nil: there is none.
    private func problem(of document: WrappedSecretDocument, among all: Int) async -> String? {
        do throws(InputError) {
            let object = try document.object(namespace: namespace)
            let envelope: Envelope
            do throws(SpecError) {
                _ = try Blueprint(object)
                envelope = try object.sealedEnvelope()
            } catch {
                throw InputError(document.place, error.description)
            }
            guard let keys else { return nil }
            do throws(EnvelopeError) {
                _ = try await envelope.open(with: keys, followedBy: all)
                // Every key that is ours has to open it, and not the first one alone.
                for recipient in envelope.recipients where keys.manager(for: recipient) != nil {
                    _ = try await envelope.unlock(with: keys, [recipient], followedBy: all)
                }
            } catch {
                throw InputError(document.place, error.description)
            }
            return nil
        } catch {
            return error.description
        }
    }
}
