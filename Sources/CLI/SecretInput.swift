package import Envelope
import Resources

/// A Secret as a person gave it, with its values in the clear.
package struct SecretInput: Sendable {
    package var name: String
    package var namespace: String?
    /// Of a Secret out of a cluster.
    package var uid: String?
    package var type: String?
    package var immutable = false
    package var labels: [String: String] = [:]
    package var annotations: [String: String] = [:]
    /// What apply tools are told about the object that they apply: labels and annotations of the WrappedSecret itself.
    package var wrappedSecretLabels: [String: String] = [:]
    package var wrappedSecretAnnotations: [String: String] = [:]
    /// What is set of `metadata` and cannot be in a template.
    package var unsupportedMetadata: [String] = []
    /// What only the API server sets of `metadata`, and is not read.
    package var serverManagedMetadata: [String] = []
    /// The controller of a Secret out of a cluster.
    package var owner: Owner?
    package var entries: [SecretEntry] = []
    /// What the user should know of how it was read, one line each.
    package var notes: [String] = []
    /// Of values that end before a comment, one line each.
    package var commentNotes: [String] = []
    /// Where it came from, for messages.
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

    /// The type that the API server would give it.
    var effectiveType: String { type.flatMap { $0.isEmpty ? nil : $0 } ?? "Opaque" }

    /// The namespace to bind to.
    ///
    /// Errors: none is given although `scope` binds one, or two differ.
    func namespace(given: String?, scope: Scope) throws(InputError) -> String? {
        if let given, let namespace, given != namespace {
            throw InputError(
                source,
                "metadata.namespace is \(namespace), --namespace says \(given); make them equal or leave "
                    + "one out")
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

    /// Removes what a template may not carry, and moves what apply tools are told to the WrappedSecret. Returns one note for
    /// each thing that a user might miss.
    mutating func separateToolMetadata() -> [String] {
        var notes = unsupportedMetadata.sorted().map {
            "\(source): metadata.\($0) is left out: a WrappedSecret's template has labels and annotations alone"
        }
        for key in labels.keys.sorted() {
            guard let treatment = ApplyToolMetadata.treatment(label: key) else { continue }
            if case .moved = treatment, wrappedSecretLabels[key] == nil {
                wrappedSecretLabels[key] = labels[key]
            }
            labels[key] = nil
            notes.append("\(source): label \(key) \(Self.words(treatment))")
        }
        for key in annotations.keys.sorted() {
            guard let treatment = ApplyToolMetadata.treatment(annotation: key) else { continue }
            if case .moved = treatment, wrappedSecretAnnotations[key] == nil {
                wrappedSecretAnnotations[key] = annotations[key]
            }
            annotations[key] = nil
            // kubectl's copy of the manifest, plaintext included, is never wanted.
            guard key != "kubectl.kubernetes.io/last-applied-configuration" else { continue }
            notes.append("\(source): annotation \(key) \(Self.words(treatment))")
        }
        return notes
    }

    private static func words(_ treatment: ApplyToolMetadata.Treatment) -> String {
        switch treatment {
        case .moved:
            "is left out of the template and put on the WrappedSecret, which is what the tool applies"
        case .dropped: "is left out: it belongs to the controller or an apply tool"
        }
    }
}
