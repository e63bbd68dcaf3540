import Cryptography
package import Envelope
import KubeClient
import Resources
import System
import YAML

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

    package struct Report: Sendable {
        /// WrappedSecrets that were looked at.
        package let count: Int
        /// One line each, with its place.
        package fileprivate(set) var problems: [String]
        /// What is no problem and may be none that is meant, or what a controller with default settings refuses; one line
        /// each, with its place.
        package fileprivate(set) var notes: [String] = []
        /// One for each WrappedSecret.
        fileprivate(set) var items: [VerifiedItem] = []
        /// Files that were not read, as they have no manifest's name.
        fileprivate var skippedCount = 0
        /// Of the WrappedSecrets, those without a problem.
        fileprivate var validCount = 0

        /// - Parameter good: what those without a problem do, as in `they open`.
        package func summary(_ good: String) -> String {
            let unread =
                skippedCount == 0
                ? ""
                : "; \(pluralized(skippedCount, "file")) not read (not named .yaml, .yml or .json)"
            guard count > 0 || !problems.isEmpty else { return "no WrappedSecrets, no problems\(unread)" }
            let counts = "\(pluralized(count, "WrappedSecret")), \(pluralized(problems.count, "problem"))"
            guard !problems.isEmpty else { return "\(counts); all \(good)\(unread)" }
            return (validCount == 0 ? counts : "\(counts); the others \(good)") + unread
        }
    }

    /// `advance` is called when a WrappedSecret is done with, from several tasks.
    package func verify(
        _ files: WrappedSecretFiles, advance: @escaping @Sendable () -> Void = {}
    ) async -> Report {
        let documents = files.documents
        let all = documents.count
        var result = Report(count: all, problems: files.problems.map(\.description))
        let repeated = files.files.flatMap { repetitions(in: $0) }
        let problems = await mapConcurrently(
            Array(zip(documents, repeated)), limit: Self.concurrency
        ) { document, repetition in
            defer { advance() }
            return await problem(of: document, among: all) ?? repetition
        }
        result.validCount = problems.count { $0 == nil }
        result.problems += problems.compactMap(\.self)
        result.items = zip(documents, problems).map { document, problem in
            VerifiedItem(document, problem: problem, notes: denials(of: document) + Self.notes(of: document))
        }
        result.skippedCount = files.skippedCount
        result.notes = files.notes + result.items.flatMap(\.notes)
        return result
    }

    /// For each WrappedSecret of the file, the problem that an earlier one has its namespace and name. Several files may
    /// have the same object, each for another cluster.
    private func repetitions(in file: WrappedSecretFile) -> [String?] {
        var first: [[String]: String] = [:]
        return file.documents.map { document in
            let metadata = document.object.metadata
            guard let namespace = metadata.namespace ?? namespace else { return nil }
            let identity = [namespace, metadata.name]
            guard let earlier = first[identity] else {
                first[identity] = document.location
                return nil
            }
            return
                "\(document.location): WrappedSecret \(namespace)/\(metadata.name) is at \(earlier), too, and one apply "
                + "overwrites the other; remove or rename one"
        }
    }

    /// Returns none for what `problem` reports.
    private func denials(of document: WrappedSecretDocument) -> [String] {
        guard let object = try? document.object(namespace: namespace),
            let blueprint = try? DesiredSecret(object)
        else { return [] }
        return DefaultDenyList.warnings(
            name: blueprint.name, type: blueprint.type, labels: blueprint.labels,
            annotations: blueprint.annotations
        ).map { "\(document.location): \($0)" }
            + ApplyToolMetadata.warnings(labels: blueprint.labels, annotations: blueprint.annotations).map {
                "\(document.location): \($0)"
            }
    }

    private static func notes(of document: WrappedSecretDocument) -> [String] {
        ManifestFields.unsupportedFields(document.node["spec"]?["template"]?["metadata"]).map {
            "\(document.location): spec.template.metadata.\($0) has no effect: a template has a name, labels and annotations"
        }
    }

    /// What the API server refuses, whatever the fields of the spec say.
    private static func checkLimits(
        _ document: WrappedSecretDocument, _ object: WrappedSecret
    ) throws(InputError) {
        let (node, place) = (document.node, document.location)
        try ObjectNames.check(namespace: object.metadata.namespace, name: object.metadata.name, place)
        // Not those of the object: it leaves out what kubectl may have put there.
        func pairs(_ field: String) -> [String: String] {
            let entries = node["metadata"]?[field]?.entries ?? []
            return Dictionary(entries.map { ($0.key, $0.value.string ?? "") }, uniquingKeysWith: { $1 })
        }
        do throws(SpecError) {
            try ObjectLimits.check(labels: pairs("labels"), annotations: pairs("annotations"), of: "metadata")
            let names = object.spec.envelope.data.keys
            try ObjectLimits.check(json: JSONWriter.write([JSONValue(node)]).count, names: names)
            let blueprint = try DesiredSecret(object)
            try ObjectLimits.check(
                plaintextCount: blueprint.envelope.plaintextByteCount, names: names, labels: blueprint.labels,
                annotations: blueprint.annotations)
        } catch {
            throw InputError(place, error.description)
        }
    }

    /// nil: there is none.
    private func problem(of document: WrappedSecretDocument, among all: Int) async -> String? {
        do throws(InputError) {
            let object = try document.object(namespace: namespace)
            try WrappedSecretFields.check(document)
            let envelope: Envelope
            let type: String
            do throws(SpecError) {
                type = try DesiredSecret(object).type
                envelope = try object.sealedEnvelope()
            } catch {
                throw InputError(document.location, error.description)
            }
            try Self.checkLimits(document, object)
            guard let keys else { return nil }
            let opened: OpenedEnvelope
            do throws(EnvelopeError) {
                opened = try await envelope.open(with: keys, followedBy: all)
                // Every key that is ours has to open it, and not the first one alone.
                for recipient in envelope.recipients where keys.keyManager(for: recipient) != nil {
                    _ = try await envelope.unwrapDataKey(with: keys, [recipient], followedBy: all)
                }
            } catch {
                throw InputError(document.location, error.description)
            }
            do throws(SpecError) {
                try SecretValidation.check(type: type, opened.entries)
            } catch {
                throw InputError(document.location, error.description)
            }
            return nil
        } catch {
            return error.description
        }
    }
}
