package import Envelope
import Resources

/// A plaintext Secret to wrap, read from a manifest, from arguments or from a cluster.
package struct SecretInput: Sendable {
    package var name: String
    package var namespace: String?
    /// The uid of a Secret that was read from a cluster.
    package var uid: String?
    package var type: String?
    /// The name of the Secret, if it differs from `name`, the WrappedSecret's.
    package var secretName: String?
    /// `spec.creationPolicy` of the WrappedSecret.
    package var creationPolicy: String?
    package var isImmutable = false
    package var labels: [String: String] = [:]
    package var annotations: [String: String] = [:]
    /// Labels and annotations for the WrappedSecret itself: instructions for the tools that apply it.
    package var wrappedSecretLabels: [String: String] = [:]
    package var wrappedSecretAnnotations: [String: String] = [:]
    /// Fields of `metadata` that are set and that `spec.template` cannot hold.
    package var unsupportedMetadata: [String] = []
    /// Fields of `metadata` that only the API server sets. They are ignored.
    package var serverManagedMetadata: [String] = []
    /// The owner reference with `controller: true` of a Secret that was read from a cluster.
    package var owner: Owner?
    package var entries: [SecretEntry] = []
    /// Templates by the key that they render, for `spec.template.data`.
    package var templates: [String: String] = [:]
    /// Notes for the user on how the manifest was read, one line each.
    package var notes: [String] = []
    /// Each note names an unquoted value that ends before a YAML comment (` #`), which may be meant as part of it.
    package var commentNotes: [String] = []
    /// The place that messages name: `FILE:LINE:COLUMN`, or the Secret's name in a cluster.
    package var source: String

    package struct Owner: Sendable {
        package let kind: String
        package let name: String
    }

    package init(name: String, namespace: String? = nil, type: String? = nil, source: String) {
        self.name = name
        self.namespace = namespace
        self.type = type
        self.source = source
    }

    /// The type that the API server would set.
    var effectiveType: String { type.flatMap { $0.isEmpty ? nil : $0 } ?? "Opaque" }

    /// The name of the Secret that the controller creates.
    var effectiveSecretName: String { secretName ?? name }

    /// Returns the namespace that the ciphertext is bound to.
    ///
    /// - Parameter given: The value of `--namespace`.
    /// - Throws: `InputError` if `scope` needs a namespace and none is given, or if two differ.
    func namespace(given: String?, scope: Scope) throws(InputError) -> String? {
        if let given, let namespace, given != namespace {
            throw InputError(source, namespace: namespace, given: given)
        }
        guard let result = given ?? namespace else {
            guard scope == .cluster else {
                throw InputError(
                    source,
                    "Secret \(name) has no namespace, and scope \(scope.rawValue) binds the ciphertext to "
                        + "one; give --namespace")
            }
            return nil
        }
        return result
    }

    /// Removes metadata that a template may not hold, and moves instructions for apply tools to the WrappedSecret.
    ///
    /// - Returns: One note for each change that a user might miss.
    mutating func separateToolMetadata() -> [String] {
        var notes = unsupportedMetadata.sorted().map {
            "\(source): metadata.\($0) is left out: spec.template holds labels and annotations only"
        }
        for key in labels.keys.sorted() {
            guard let treatment = ApplyToolMetadata.treatment(label: key) else { continue }
            if case .moved = treatment, wrappedSecretLabels[key] == nil {
                wrappedSecretLabels[key] = labels[key]
            }
            labels[key] = nil
            notes.append("\(source): label \(key) \(Self.description(of: treatment))")
        }
        for key in annotations.keys.sorted() {
            guard let treatment = ApplyToolMetadata.treatment(annotation: key) else { continue }
            if case .moved = treatment, wrappedSecretAnnotations[key] == nil {
                wrappedSecretAnnotations[key] = annotations[key]
            }
            annotations[key] = nil
            // This is kubectl's copy of the manifest with its plaintext. No user wants it.
            guard key != "kubectl.kubernetes.io/last-applied-configuration" else { continue }
            notes.append("\(source): annotation \(key) \(Self.description(of: treatment))")
        }
        return notes
    }

    /// Adds the labels of a rule.
    ///
    /// - Throws: `InputError` if the Secret has one of them with another value.
    mutating func addLabels(of rule: Rule) throws(InputError) {
        for (key, value) in rule.labels.sorted(by: { $0.key < $1.key }) {
            if let own = labels.updateValue(value, forKey: key), own != value {
                throw InputError(
                    source,
                    "label \(key) is \(quoted(own)), and \(rule) requires \(quoted(value)); change one of them"
                )
            }
        }
    }

    private static func description(of treatment: ApplyToolMetadata.Treatment) -> String {
        switch treatment {
        case .moved:
            "is left out of the template and put on the WrappedSecret, which is what the tool applies"
        case .dropped: "is left out: it belongs to the controller or an apply tool"
        }
    }
}
