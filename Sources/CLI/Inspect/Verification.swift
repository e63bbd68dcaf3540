import Cryptography
package import Envelope
package import JSON
import KubeClient
import Resources
import System
import YAML

/// Verifies WrappedSecrets in files: that each is valid, and, with keys, that it can be decrypted.
package struct Verification: Sendable {
    /// The keys, or nil to make only the checks that need none.
    private let keys: KeyRing?
    private let namespace: String?
    private let rules: RuleBook

    private static let concurrency = 200

    /// - Parameters:
    ///   - keys: The keys, or nil to make only the checks that need none.
    ///   - rules: The rules that the WrappedSecrets must keep.
    package init(keys: KeyRing?, namespace: String?, rules: RuleBook = RuleBook(.none)) {
        self.keys = keys
        self.namespace = namespace
        self.rules = rules
    }

    package struct Report: Sendable {
        /// The number of WrappedSecrets.
        package let count: Int
        /// The problems, one line each, with their locations.
        package fileprivate(set) var problems: [String]
        /// Notes on WrappedSecrets that are valid but may not be as intended, or that a controller with default
        /// settings refuses, one line each.
        package fileprivate(set) var notes: [String] = []
        /// The result of each WrappedSecret.
        fileprivate(set) var items: [VerifiedItem] = []
        /// The problems that are Secrets that are not encrypted.
        fileprivate(set) var unencrypted: Set<String> = []
        /// The number of files that were not read because their names are not those of manifests.
        fileprivate var skippedCount = 0
        /// The number of WrappedSecrets without a problem.
        fileprivate var validCount = 0

        /// Returns the summary of all files.
        ///
        /// - Parameter success: The predicate for WrappedSecrets without a problem, such as `open` in `all open`.
        package func summary(_ success: String) -> String {
            let unread =
                skippedCount == 0
                ? ""
                : "; \(pluralized(skippedCount, "file")) not read (not named .yaml, .yml or .json)"
            guard count > 0 || !problems.isEmpty else { return "no WrappedSecrets, no problems\(unread)" }
            let counts = "\(pluralized(count, "WrappedSecret")), \(pluralized(problems.count, "problem"))"
            guard !problems.isEmpty else { return "\(counts); all \(success)\(unread)" }
            return (validCount == 0 ? counts : "\(counts); the others \(success)") + unread
        }
    }

    /// Verifies all WrappedSecrets.
    ///
    /// - Parameter advance: Is called after each WrappedSecret, from several tasks.
    package func verify(
        _ files: WrappedSecretFiles, advance: @escaping @Sendable () -> Void = {}
    ) async -> Report {
        let documents = files.documents
        let all = documents.count
        var result = Report(count: all, problems: files.problems.map(\.description))
        result.unencrypted = files.unencrypted
        let repeated = files.files.flatMap { duplicates(in: $0) }
        let found = files.files.flatMap { file in
            let rule = Result { () throws(InputError) in try rules.rule(for: file.rulePath) }
            return file.documents.map { _ in rule }
        }
        // Key managers that unwrap in batches then wait for fuller ones.
        keys?.backlog.follow { all }
        let problems = await mapConcurrently(
            Array(zip(zip(documents, found), repeated)), limit: Self.concurrency
        ) { work, duplicate in
            let (document, rule) = work
            defer { advance() }
            return await problem(of: document, (try? rule.get()) ?? nil)
                ?? duplicate.map { Problem(text: $0) }
        }
        result.items = zip(zip(documents, found), problems).map { work, problem in
            let (document, rule) = work
            return VerifiedItem(
                document, problem: problem, ruleProblems: ruleProblems(of: document, rule),
                notes: denials(of: document, (try? rule.get()) ?? nil) + Self.notes(of: document))
        }
        result.validCount = result.items.count { $0.problems.isEmpty }
        // An invalid rules file is one problem for all files.
        var known = Set(result.problems)
        result.problems += result.items.flatMap(\.problems).filter { known.insert($0).inserted }
        result.skippedCount = files.skippedCount
        result.notes = files.notes + result.items.flatMap(\.notes)
        return result
    }

    /// Returns the lines that say how the WrappedSecret breaks its rule, or why its rule cannot be determined.
    private func ruleProblems(
        of document: WrappedSecretDocument, _ rule: Result<Rule?, InputError>
    ) -> [String] {
        do throws(InputError) {
            guard let rule = try rule.get() else { return [] }
            // Any other error of the object is a problem of its own.
            let object = (try? document.object(namespace: namespace, rule: rule)) ?? document.object
            return RuleEnforcement.violations(of: object, by: rule).map {
                InputError(document.location, $0).description
            }
        } catch {
            return [error.description]
        }
    }

    /// Returns for each WrappedSecret of the file the problem that an earlier one has the same namespace and name.
    /// Different files may contain the same object for different clusters.
    private func duplicates(in file: WrappedSecretFile) -> [String?] {
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
                "\(document.location): WrappedSecret \(namespace)/\(metadata.name) is also defined at \(earlier), and one "
                + "apply overwrites the other; remove or rename one"
        }
    }

    /// Returns notes on properties that controllers refuse by default and on metadata that tools such as Argo CD
    /// act on. Returns none for an invalid document, which `problem` reports.
    private func denials(of document: WrappedSecretDocument, _ rule: Rule?) -> [String] {
        guard let object = try? document.object(namespace: namespace, rule: rule),
            let desired = try? DesiredSecret(object)
        else { return [] }
        return DefaultDenyList.warnings(
            name: desired.name, type: desired.type, labels: desired.labels,
            annotations: desired.annotations
        ).map { "\(document.location): \($0)" }
            + ApplyToolMetadata.warnings(labels: desired.labels, annotations: desired.annotations).map {
                "\(document.location): \($0)"
            }
    }

    private static func notes(of document: WrappedSecretDocument) -> [String] {
        ManifestFields.unsupportedFields(document.node["spec"]?["template"]?["metadata"]).map {
            "\(document.location): spec.template.metadata.\($0) has no effect: a template has a name, labels and annotations"
        }
    }

    /// Checks the API server's limits on names, metadata and sizes, of the WrappedSecret and of its Secret.
    private static func checkLimits(
        _ document: WrappedSecretDocument, _ object: WrappedSecret, _ desired: DesiredSecret
    ) throws {
        let node = document.node
        try ObjectNames.check(
            namespace: object.metadata.namespace, name: object.metadata.name, document.location)
        // The decoded object lacks the annotation of client-side apply, which counts.
        func pairs(_ field: String) -> [String: String] {
            let entries = node["metadata"]?[field]?.entries ?? []
            return Dictionary(entries.map { ($0.key, $0.value.string ?? "") }, uniquingKeysWith: { $1 })
        }
        try ObjectLimits.check(labels: pairs("labels"), annotations: pairs("annotations"), of: "metadata")
        let names = object.spec.envelope.data.keys
        try ObjectLimits.check(json: JSONWriter.write([JSONValue(node)]).count, names: names)
        try ObjectLimits.check(
            plaintextByteCount: desired.envelope.plaintextByteCount, names: desired.keys,
            labels: desired.labels,
            annotations: desired.annotations)
    }

    /// The problem of a WrappedSecret.
    struct Problem: Sendable {
        let text: String
        /// True if the WrappedSecret is valid and cannot be decrypted.
        var isDecryptionFailure = false
    }

    /// Returns the problem of a WrappedSecret, or nil if there is none.
    private func problem(of document: WrappedSecretDocument, _ rule: Rule?) async -> Problem? {
        do {
            let object = try document.object(namespace: namespace, rule: rule)
            try WrappedSecretFields.check(document)
            let desired = try DesiredSecret(object)
            let envelope = try object.sealedEnvelope()
            try Self.checkLimits(document, object, desired)
            guard let keys else { return nil }
            let opened = try await envelope.open(with: keys)
            // Each configured key has to unwrap the data key.
            for recipient in envelope.recipients where keys.keyManager(for: recipient) != nil {
                _ = try await envelope.unwrapDataKey(with: keys, [recipient])
            }
            let values = try desired.templates.rendered(with: opened.entries)
            try SecretValidation.check(type: desired.type, values)
            try ObjectLimits.check(
                plaintextByteCount: values.reduce(0) { $0 + $1.value.count }, names: desired.keys,
                labels: desired.labels, annotations: desired.annotations)
            return nil
        } catch let error as InputError {
            return Problem(text: error.description)
        } catch {
            return Problem(
                text: InputError(document.location, "\(error)").description,
                isDecryptionFailure: error is EnvelopeError)
        }
    }
}

extension Verification.Report {
    /// The WrappedSecrets in the order of the files, then the problems of paths and files.
    package var value: JSONValue {
        let known = Set(items.flatMap(\.problems))
        let others = problems.filter { !known.contains($0) }.map { VerifiedItem(problem: $0) }
        return .array((items + others).map(\.value))
    }
}
