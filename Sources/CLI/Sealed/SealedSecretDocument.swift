import Cryptography
import Envelope
import Resources
import System
import YAML

/// A SealedSecret (`bitnami.com/v1alpha1`) in a file.
package struct SealedSecretDocument: Sendable {
    static let kind = "SealedSecret"
    static let group = "bitnami.com"
    private static let version = "\(group)/v1alpha1"
    private static let annotationPrefix = "sealedsecrets.\(group)/"
    private static let patch = "\(annotationPrefix)patch"

    /// The Secret of the SealedSecret, without its values. Its `source` is the document's location.
    let secret: SecretInput
    /// The scope that its values are bound to.
    let scope: Scope
    let values: [(name: String, value: SealedValue)]
    /// A whole Secret manifest as one sealed value, as kubeseal before 0.7 created it.
    let sealedManifest: SealedValue?
    /// Notes for the user, one line each.
    let notes: [String]
    /// The templates that render values, as nodes of `spec.template.data`.
    let templates: [YAMLNode.Entry]
    private let source: String

    /// - Throws: `InputError` if it is of another version, is malformed, or has a field that sealed-secrets does not
    ///   know.
    init(_ node: YAMLNode, source: String) throws(InputError) {
        let location = node.range.location(in: source)
        let found = node["apiVersion"]?.string ?? ""
        guard found == Self.version else {
            throw InputError(
                location, "found \(describeKind(Self.kind, found)); \(Self.version) is expected")
        }
        try Self.rejectUnknownFields(node, nil, ["apiVersion", "kind", "metadata", "spec", "status"], source)
        guard let name = try ManifestFields.identifier(node["metadata"]?["name"], "metadata.name", source)
        else {
            throw InputError(location, "metadata.name is missing; the values are bound to it")
        }
        try ManifestFields.rejectUnknownMetadata(node["metadata"], of: "a SealedSecret", source)
        guard let spec = node["spec"], spec.entries != nil else {
            throw InputError(location, "spec is missing or not a mapping; is it a SealedSecret?")
        }
        let template = spec["template"]
        try Self.rejectUnknownFields(spec, "spec", ["template", "encryptedData", "data"], source)
        try Self.rejectUnknownFields(
            template, "spec.template", ["metadata", "type", "immutable", "data"], source)
        try ManifestFields.rejectUnknownMetadata(
            template?["metadata"], of: "spec.template of a SealedSecret", source)

        let own = try Self.labelsAndAnnotations(node["metadata"], "metadata", source)
        var templateMetadata = try Self.labelsAndAnnotations(
            template?["metadata"], "spec.template.metadata", source)
        scope = Scope(sealedSecretAnnotations: own.annotations)
        let sealed = spec["encryptedData"].flatMap { $0.isNull ? nil : $0 }
        values = try Self.values(sealed, location, source)
        sealedManifest = try Self.sealedManifest(spec["data"], source)
        guard sealed != nil || sealedManifest != nil || template?["data"] != nil else {
            throw InputError(
                spec.range.location(in: source),
                "spec has neither encryptedData nor the older data; is the field misspelt, or are the values wrongly "
                    + "indented? Write encryptedData: {} if there are none")
        }
        guard sealedManifest == nil || values.isEmpty else {
            throw InputError(
                location, "has both spec.encryptedData and the older spec.data; one of them is expected")
        }
        notes =
            Self.notes(
                location, name, own, templateMetadata, isEmpty: values.isEmpty && sealedManifest == nil)
            + Self.notes(location, node["metadata"], template?["metadata"])
        templateMetadata.annotations = templateMetadata.annotations.filter {
            !Self.isSealedSecretsAnnotation($0.key)
        }

        var secret = SecretInput(name: name, source: location)
        secret.namespace = try ManifestFields.identifier(
            node["metadata"]?["namespace"], "metadata.namespace", source)
        secret.wrappedSecretLabels = own.labels.filter {
            Self.isMoved(ApplyToolMetadata.treatment(label: $0.key))
        }
        secret.wrappedSecretAnnotations = own.annotations.filter {
            Self.isMoved(ApplyToolMetadata.treatment(annotation: $0.key))
        }
        secret.labels = templateMetadata.labels
        secret.annotations = templateMetadata.annotations
        secret.type = try ManifestFields.identifier(template?["type"], "spec.template.type", source)
        secret.isImmutable = try ManifestFields.bool(
            template?["immutable"], "spec.template.immutable", source)
        self.secret = secret

        templates = try ManifestFields.mapping(template?["data"], "spec.template.data", source)
        try Self.check(
            count: templates.count, upTo: TemplateData.maximumTemplates, "spec.template.data", location)
        self.source = source
    }

    /// Translates the templates into those of a WrappedSecret.
    ///
    /// - Parameters:
    ///   - name: The SealedSecret, for messages.
    ///   - remedy: The remedy for a template that uses more than a WrappedSecret's may.
    func translatedTemplates(_ name: String, remedy: String) throws(InputError) -> [String: String] {
        var translated: [String: String] = [:]
        let names = Set(values.map(\.name))
        for entry in templates {
            try ManifestFields.checkEntryName(entry.key, entry.keyRange.location(in: source))
            let field = "spec.template.data.\(entry.key)"
            let location = entry.value.range.location(in: source)
            guard !entry.value.isNull else {
                throw InputError(
                    location,
                    "\(field) of \(name) is null, which removes the entry from the Secret; a WrappedSecret keeps its "
                        + "entries: \(remedy)")
            }
            guard !names.contains(entry.key) else {
                throw InputError(
                    location,
                    "\(field) of \(name) replaces the value of that name, which a template of a WrappedSecret cannot: "
                        + "rename one, or \(remedy)")
            }
            let text = try ManifestFields.string(entry.value, field, source) ?? ""
            do throws(TemplateError) {
                translated[entry.key] = try SecretTemplate.translating(sealedSecrets: text)
            } catch {
                throw InputError(location, "\(field) of \(name), \(error); or \(remedy)")
            }
        }
        return translated
    }

    /// Returns true for an annotation that configures sealed-secrets. It has no meaning for a WrappedSecret.
    static func isSealedSecretsAnnotation(_ annotation: String) -> Bool {
        annotation.hasPrefix(annotationPrefix)
    }

    /// Returns true for an instruction to an apply tool, which the WrappedSecret inherits.
    private static func isMoved(_ treatment: ApplyToolMetadata.Treatment?) -> Bool {
        if case .moved = treatment { true } else { false }
    }

    private static func values(
        _ node: YAMLNode?, _ location: String, _ source: String
    ) throws(InputError) -> [(name: String, value: SealedValue)] {
        let entries = try ManifestFields.mapping(node, "spec.encryptedData", source)
        try check(
            count: entries.count, upTo: EnvelopeValidation.maximumEntries, "spec.encryptedData", location)
        var values: [(name: String, value: SealedValue)] = []
        for entry in entries {
            try ManifestFields.checkEntry(entry, source)
            values.append((entry.key, try value(entry.value, "spec.encryptedData.\(entry.key)", source)))
        }
        return values
    }

    /// Refuses more items than a WrappedSecret has, before each of them takes milliseconds of RSA.
    private static func check(
        count: Int, upTo limit: Int, _ field: String, _ location: String
    ) throws(InputError) {
        guard count <= limit else {
            throw InputError(location, "\(field) has \(count) items; at most \(limit) are expected")
        }
    }

    private static func sealedManifest(_ node: YAMLNode?, _ source: String) throws(InputError) -> SealedValue?
    {
        guard let node, !node.isNull else { return nil }
        guard node.entries == nil else {
            throw InputError(
                node.range.location(in: source),
                "spec.data is a mapping, which sealed-secrets does not know; are the values meant to be under "
                    + "spec.encryptedData?")
        }
        return try value(node, "spec.data", source)
    }

    /// Decodes a sealed value, with line breaks inside, as sealed-secrets does.
    private static func value(_ node: YAMLNode, _ field: String, _ source: String) throws(InputError)
        -> SealedValue
    {
        let text = try ManifestFields.secretString(node, field, source)
        let location = node.range.location(in: source)
        do throws(Base64.DecodingError) {
            let bytes = try Base64.decodeSecret(text.bytes, skipping: Base64.lineBreaks)
            return SealedValue(field: field, location: location, sealed: bytes.withUnsafeBytes { Array($0) })
        } catch {
            throw InputError(
                location,
                "\(field) is not valid base64 (\(error.problem) at byte \(error.offset)); use the value that kubeseal "
                    + "wrote it")
        }
    }

    private typealias Pairs = (labels: [String: String], annotations: [String: String])

    private static func labelsAndAnnotations(
        _ metadata: YAMLNode?, _ field: String, _ source: String
    ) throws(InputError) -> Pairs {
        (
            try ManifestFields.stringMap(metadata?["labels"], "\(field).labels", source),
            try ManifestFields.annotations(metadata?["annotations"], "\(field).annotations", source)
        )
    }

    private static func notes(
        _ location: String, _ name: String, _ own: Pairs, _ template: Pairs, isEmpty: Bool
    ) -> [String] {
        var notes =
            isEmpty
            ? ["\(location): spec.encryptedData of \(name) is empty, so the WrappedSecret has no entries"]
            : []
        let labels = own.labels.keys.filter { !isMoved(ApplyToolMetadata.treatment(label: $0)) }
        let annotations = own.annotations.keys.filter {
            !isMoved(ApplyToolMetadata.treatment(annotation: $0))
        }
        let lost = (labels + annotations).filter {
            !isSealedSecretsAnnotation($0) && $0 != "kubectl.kubernetes.io/last-applied-configuration"
        }
        if !lost.isEmpty {
            notes.append(
                "\(location): the SealedSecret's own \(lost.sorted().listed()) is left out; add it to the "
                    + "WrappedSecret if needed")
        }
        if template.annotations[patch] == "true" {
            notes.append(
                "\(location): \(name) is patched into an existing Secret; a WrappedSecret needs "
                    + "spec.creationPolicy: Merge for that")
        }
        return notes
    }

    /// Returns notes on metadata of the SealedSecret and its template that is left out.
    private static func notes(_ location: String, _ own: YAMLNode?, _ template: YAMLNode?) -> [String] {
        ManifestFields.unsupportedFields(own).map {
            "\(location): the SealedSecret's own metadata.\($0) is left out; add it to the WrappedSecret if needed"
        }
            + ManifestFields.unsupportedFields(template).map {
                "\(location): spec.template.metadata.\($0) is left out: spec.template holds labels and annotations only"
            }
    }

    private static func rejectUnknownFields(
        _ node: YAMLNode?, _ field: String?, _ known: [String], _ source: String
    ) throws(InputError) {
        try ManifestFields.rejectUnknownFields(
            try ManifestFields.mapping(node, field ?? kind, source),
            of: "\(field.map { "\($0) of " } ?? "")a SealedSecret", known: known, source)
    }
}
