import Cryptography
package import Envelope
package import JSON
import KubeClient
package import Resources
import System

/// Wraps Secrets into WrappedSecret manifests.
package struct SecretWrapper: Sendable {
    /// The size in bytes from which a manifest is too large for client-side apply, which keeps the whole object in one
    /// annotation of at most 262,144 bytes.
    private static let largeManifest = 190_000

    private let keys: KeyRing
    private let scope: Scope
    private let namespace: String?
    private let keyRef: WrappedSecretSpec.KeyRef?
    private let rule: Rule?

    /// - Parameters:
    ///   - namespace: The value of `--namespace`.
    ///   - keyRef: The provider of `keys`, which the WrappedSecrets refer to.
    ///   - rule: The rule for the file that the WrappedSecrets are written to. Its namespace is the default, its labels are
    ///     added, and its recipients are wrapped for.
    package init(
        keys: KeyRing, scope: Scope, namespace: String?, keyRef: WrappedSecretSpec.KeyRef? = nil,
        rule: Rule? = nil
    ) {
        self.rule = rule
        self.keys = keys
        self.keyRef = keyRef
        self.scope = scope
        self.namespace = namespace
    }

    package struct Output: Sendable {
        package let manifest: JSONValue
        /// Notes for the user, one line each.
        package let notes: [String]
    }

    /// A Secret that has passed all checks that need no key.
    package struct Prepared: Sendable {
        fileprivate let input: SecretInput
        fileprivate let binding: Binding
        fileprivate let namespace: String?
        fileprivate let notes: [String]
    }

    package func wrap(_ input: SecretInput) async throws(InputError) -> Output {
        try await seal(try prepare(input))
    }

    /// Makes all checks that need no key, without contacting the KMS.
    ///
    /// - Throws: `InputError` if no WrappedSecret can be created from the Secret.
    package func prepare(_ input: SecretInput) throws(InputError) -> Prepared {
        var input = input
        var notes = input.notes + input.commentNotes + input.separateToolMetadata()
        let namespace = try namespace(of: input)
        if let rule { try input.addLabels(of: rule) }
        if scope == .cluster {
            notes.append(
                "\(input.source): scope cluster: anyone who can copy \(input.name) into their own namespace can "
                    + "decrypt it there; the controller has to allow the scope")
        }
        do {
            try EnvelopeValidation.check(secretName: input.name)
            let binding = try Binding(
                scope: scope, namespace: namespace, secretName: input.effectiveSecretName)
            try EnvelopeValidation.check(entries: input.entries.map(\.name))
            try SecretLimits.check(plaintextByteCount: input.entries.reduce(0) { $0 + $1.value.count })
            try TemplateValidation.check(input)
            let templates = try TemplateData(input.templates, entries: input.entries.map(\.name))
            let values = try templates.rendered(with: input.entries)
            try SecretValidation.check(type: input.effectiveType, values)
            try ObjectLimits.check(input, values)
            notes += input.templateNotes
            try input.checkCreationPolicy()
            notes += DefaultDenyList.warnings(
                name: input.effectiveSecretName, type: input.effectiveType, labels: input.labels,
                annotations: input.annotations
            ).map { "\(input.source): \($0)" }
            return Prepared(input: input, binding: binding, namespace: namespace, notes: notes)
        } catch {
            throw InputError(input.source, "\(error)")
        }
    }

    /// Checks that the WrappedSecrets can be applied together, and edited in one file.
    ///
    /// - Throws: `InputError` if two of them have one name and namespace.
    package static func checkNames(of prepared: [Prepared]) throws(InputError) {
        var sources: [String: String] = [:]
        for secret in prepared {
            let name = (secret.namespace.map { "\($0)/" } ?? "") + secret.input.name
            guard let other = sources.updateValue(secret.input.source, forKey: name) else { continue }
            throw InputError(
                secret.input.source,
                "Secret \(name) is also at \(other), and kubectl apply would keep only the last one; rename one or leave it "
                    + "out")
        }
    }

    /// Encrypts the entries under a new data key.
    ///
    /// - Throws: `InputError` if the KMS generates no data key.
    package func seal(_ prepared: Prepared) async throws(InputError) -> Output {
        let input = prepared.input
        var notes = prepared.notes
        let managers = try managers()
        let envelope: Envelope
        do throws(EnvelopeError) {
            envelope = try await Envelope.seal(
                input.entries, binding: prepared.binding, with: managers.first, recipients: managers.others)
        } catch {
            throw InputError(input.source, error.description)
        }
        // A KMS may return another id than the configured one.
        if let rule,
            let violation = RuleEnforcement.recipientViolations(
                of: envelope.recipients.map(\.keyID), by: rule
            ).first
        {
            throw InputError(input.source, violation)
        }
        let size = envelope.entries.reduce(0) { $0 + Base64.encodedCount($1.sealed.count) }
        if size > Self.largeManifest {
            notes.append(
                "\(input.source): \(input.name) has \(size) bytes of ciphertext; client-side kubectl apply is "
                    + "limited to 262,144: use kubectl apply --server-side")
        }
        return Output(manifest: manifest(input, envelope, prepared.namespace), notes: notes)
    }

    private func namespace(of input: SecretInput) throws(InputError) -> String? {
        if namespace == nil, let rule, let required = rule.namespace, let own = input.namespace,
            own != required
        {
            throw InputError(
                input.source,
                "metadata.namespace is \(own), and \(rule) requires \(required); change one of them, or give --rules none"
            )
        }
        return try input.namespace(given: namespace ?? rule?.namespace, scope: scope)
    }

    /// Returns the key that generates the data key, and those of the other recipients.
    private func managers() throws(InputError) -> (first: any KeyManager, others: [any KeyManager]) {
        guard let rule, let requirement = rule.recipients else {
            return (keys.primary, keys.additionalRecipients)
        }
        let managers = try requirement.wrappingKeys(in: keys, rule)
        return (managers.first ?? keys.primary, Array(managers.dropFirst()))
    }

    private func manifest(_ input: SecretInput, _ envelope: Envelope, _ namespace: String?) -> JSONValue {
        let fields = envelope.fields
        let metadata = metadataFields(
            name: input.name, namespace: namespace, labels: input.wrappedSecretLabels,
            annotations: input.wrappedSecretAnnotations)
        var spec: [(key: String, value: JSONValue)] = [
            ("format", .string(fields.format)),
            ("scope", .string(fields.scope)),
            (
                "recipients",
                .array(
                    fields.recipients.map { recipient in
                        .object(recipient.manifestFields.map { ($0.key, .string($0.value)) })
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
        if let policy = input.creationPolicy { spec.append(("creationPolicy", .string(policy))) }
        if let keyRef {
            spec.append(("keyRef", ["kind": .string(keyRef.kind), "name": .string(keyRef.name)]))
        }
        return [
            "apiVersion": .string(WrappedSecret.resource.apiVersion),
            "kind": .string(WrappedSecret.resource.kind),
            "metadata": .object(metadata),
            "spec": .object(spec),
        ]
    }

    private func template(_ input: SecretInput) -> [(key: String, value: JSONValue)] {
        let metadata = metadataFields(
            name: input.secretName, labels: input.labels, annotations: input.annotations)
        var template: [(key: String, value: JSONValue)] = []
        if !metadata.isEmpty { template.append(("metadata", .object(metadata))) }
        if input.effectiveType != "Opaque" { template.append(("type", .string(input.effectiveType))) }
        if input.isImmutable { template.append(("immutable", true)) }
        if !input.templates.isEmpty {
            let data = input.templates.sorted { $0.key < $1.key }
            template.append(("data", .object(data.map { ($0.key, .string($0.value)) })))
        }
        return template
    }
}

/// Returns the fields of `metadata`, without empty ones.
func metadataFields(
    name: String? = nil, namespace: String? = nil, labels: [String: String], annotations: [String: String]
) -> [(key: String, value: JSONValue)] {
    var fields: [(key: String, value: JSONValue)] = []
    if let name { fields.append(("name", .string(name))) }
    if let namespace { fields.append(("namespace", .string(namespace))) }
    for (key, pairs) in [("labels", labels), ("annotations", annotations)] where !pairs.isEmpty {
        let pairs = pairs.sorted { $0.key < $1.key }
        fields.append((key, .object(pairs.map { ($0.key, .string($0.value)) })))
    }
    return fields
}

extension SecretInput {
    /// Shorter values are likely to be part of a template's text by chance.
    private static let minimumValueLength = 8

    /// Returns a note for each template that contains a value in plain text, as the result of rendering it would.
    fileprivate var templateNotes: [String] {
        templates.sorted { $0.key < $1.key }.flatMap { key, text in
            let bytes = Array(text.utf8)
            return entries.filter {
                $0.value.count >= Self.minimumValueLength && Self.contains($0.value, bytes)
            }.map {
                "\(source): the template \(key) contains the value of \($0.name), which is not encrypted there; refer to "
                    + "it: {{ index . \"\($0.name)\" }}"
            }
        }
    }

    private static func contains(_ value: SharedSecret, _ text: [UInt8]) -> Bool {
        text.withUnsafeBytes { text in value.bytes.withUnsafeBytes { text.contains(bytes: $0) } }
    }
}

extension ObjectLimits {
    /// Checks the size of the WrappedSecret, and of the Secret with these values.
    fileprivate static func check(_ input: SecretInput, _ rendered: [SecretEntry]) throws(SpecError) {
        let names = input.entries.map(\.name)
        try check(
            labels: input.wrappedSecretLabels, annotations: input.wrappedSecretAnnotations, of: "metadata")
        try check(
            template: input.annotations, of: input.name, isOrphan: input.creationPolicy == "Orphan")
        try check(
            plaintextByteCount: rendered.reduce(0) { $0 + $1.value.count }, names: rendered.map(\.name),
            labels: input.labels, annotations: input.annotations)
        let pairs = [
            input.labels, input.annotations, input.wrappedSecretLabels, input.wrappedSecretAnnotations,
            input.templates,
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
