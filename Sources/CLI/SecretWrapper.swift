import Cryptography
package import Envelope
import KubeClient
import Resources
package import YAML

/// Turns Secrets into WrappedSecret manifests.
package struct SecretWrapper: Sendable {
    /// Client-side apply keeps the whole object in one annotation of at most 262,144 bytes.
    private static let largeManifest = 190_000

    private let keys: KeyRing
    private let scope: Scope
    private let namespace: String?

    package init(keys: KeyRing, scope: Scope, namespace: String?) {
        self.keys = keys
        self.scope = scope
        self.namespace = namespace
    }

    package struct Output: Sendable {
        package let manifest: JSONValue
        /// What a person should know, one line each; for standard error.
        package let notes: [String]
    }

    /// A Secret of which all was checked that can be checked without a key.
    package struct Prepared: Sendable {
        fileprivate let input: SecretInput
        fileprivate let binding: Binding
        fileprivate let namespace: String?
        fileprivate let notes: [String]
    }

    package func wrap(_ input: SecretInput) async throws(InputError) -> Output {
        try await seal(try prepare(input))
    }

    /// Asks nobody.
    ///
    /// Errors: what a WrappedSecret cannot be made of.
    package func prepare(_ input: SecretInput) throws(InputError) -> Prepared {
        var input = input
        var notes = input.notes + input.commentNotes + input.separateToolMetadata()
        let namespace = try input.namespace(given: namespace, scope: scope)
        if scope == .cluster {
            notes.append(
                "\(input.source): scope cluster: whoever can copy \(input.name) into a namespace can read it "
                    + "there, and the controller must be told to allow the scope")
        }
        do {
            let binding = try Binding(scope: scope, namespace: namespace, secretName: input.name)
            try EnvelopeValidation.check(entries: input.entries.map(\.name))
            try SecretLimits.check(plaintextCount: input.entries.reduce(0) { $0 + $1.value.count })
            try TemplateValidation.check(input)
            try SecretValidation.check(type: input.effectiveType, input.entries)
            try ObjectLimits.check(input)
            notes += DefaultDenyList.warnings(
                name: input.name, type: input.effectiveType, labels: input.labels,
                annotations: input.annotations
            ).map { "\(input.source): \($0)" }
            return Prepared(input: input, binding: binding, namespace: namespace, notes: notes)
        } catch let error as EnvelopeError {
            throw InputError(input.source, error.description)
        } catch let error as SpecError {
            throw InputError(input.source, error.description)
        } catch {
            throw InputError(input.source, "\(error)")
        }
    }

    /// Errors: the KMS makes no data key.
    package func seal(_ prepared: Prepared) async throws(InputError) -> Output {
        let input = prepared.input
        var notes = prepared.notes
        let envelope: Envelope
        do throws(EnvelopeError) {
            envelope = try await Envelope.seal(input.entries, binding: prepared.binding, with: keys.primary)
        } catch {
            throw InputError(input.source, error.description)
        }
        let size = envelope.entries.reduce(0) { $0 + Base64.encodedCount($1.sealed.count) }
        if size > Self.largeManifest {
            notes.append(
                "\(input.source): \(input.name) has \(size) bytes of ciphertext; client-side kubectl apply "
                    + "stops at 262,144: use kubectl apply --server-side")
        }
        return Output(manifest: manifest(input, envelope, prepared.namespace), notes: notes)
    }

    private func manifest(_ input: SecretInput, _ envelope: Envelope, _ namespace: String?) -> JSONValue {
        let fields = envelope.fields
        var metadata: [(key: String, value: JSONValue)] = [("name", .string(input.name))]
        if let namespace { metadata.append(("namespace", .string(namespace))) }
        if !input.wrappedSecretLabels.isEmpty {
            metadata.append(("labels", pairs(input.wrappedSecretLabels)))
        }
        if !input.wrappedSecretAnnotations.isEmpty {
            metadata.append(("annotations", pairs(input.wrappedSecretAnnotations)))
        }
        var spec: [(key: String, value: JSONValue)] = [
            ("format", .string(fields.format)),
            ("scope", .string(fields.scope)),
            (
                "recipients",
                .array(
                    fields.recipients.map {
                        ["keyID": .string($0.keyID), "wrappedKey": .string($0.wrappedKey)]
                    })
            ),
            ("mac", .string(fields.mac)),
        ]
        if !envelope.entries.isEmpty {
            let data = envelope.entries.map {
                (key: $0.name, value: JSONValue.string(Base64.encode($0.sealed)))
            }
            spec.append(("data", .object(data)))
        }
        let template = template(input)
        if !template.isEmpty { spec.append(("template", .object(template))) }
        return [
            "apiVersion": .string(WrappedSecret.resource.apiVersion),
            "kind": .string(WrappedSecret.resource.kind),
            "metadata": .object(metadata),
            "spec": .object(spec),
        ]
    }

    private func template(_ input: SecretInput) -> [(key: String, value: JSONValue)] {
        var metadata: [(key: String, value: JSONValue)] = []
        if !input.labels.isEmpty { metadata.append(("labels", pairs(input.labels))) }
        if !input.annotations.isEmpty { metadata.append(("annotations", pairs(input.annotations))) }
        var template: [(key: String, value: JSONValue)] = []
        if !metadata.isEmpty { template.append(("metadata", .object(metadata))) }
        if input.effectiveType != "Opaque" { template.append(("type", .string(input.effectiveType))) }
        if input.immutable { template.append(("immutable", true)) }
        return template
    }

    private func pairs(_ pairs: [String: String]) -> JSONValue {
        .object(pairs.sorted { $0.key < $1.key }.map { (key: $0.key, value: .string($0.value)) })
    }
}

extension ObjectLimits {
    /// The Secret and the WrappedSecret that come of it.
    fileprivate static func check(_ input: SecretInput) throws(SpecError) {
        let names = input.entries.map(\.name)
        try check(
            labels: input.wrappedSecretLabels, annotations: input.wrappedSecretAnnotations, of: "metadata")
        try check(template: input.annotations, of: input.name, isOrphan: false)
        try check(
            plaintextCount: input.entries.reduce(0) { $0 + $1.value.count }, names: names,
            labels: input.labels,
            annotations: input.annotations)
        let pairs = [
            input.labels, input.annotations, input.wrappedSecretLabels, input.wrappedSecretAnnotations,
        ].joined()
        let metadata = pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 8 }
        let values = input.entries.reduce(0) { sum, entry in
            sum + entry.name.utf8.count + 8 + Base64.encodedCount(entry.value.count + AES256GCM.overhead)
        }
        try check(json: metadata + values, names: names)
    }
}

extension TemplateValidation {
    fileprivate static func check(_ input: SecretInput) throws(SpecError) {
        try check(labels: input.labels)
        try check(annotations: input.annotations)
    }
}
