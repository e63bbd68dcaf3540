import Cryptography
import Envelope
import YAML

/// A SealedSecret (`bitnami.com/v1alpha1`) as it stands in a file.
package struct SealedSecretDocument: Sendable {
    static let kind = "SealedSecret"
    static let group = "bitnami.com"
    private static let version = "\(group)/v1alpha1"
    private static let annotationPrefix = "sealedsecrets.\(group)/"
    private static let patch = "\(annotationPrefix)patch"

    /// The Secret that it makes, without its values. `source` is the place of the document.
    let secret: SecretInput
    /// By which its values are bound.
    let scope: Scope
    let values: [(name: String, value: SealedValue)]
    /// A whole Secret under one seal, as versions before 0.7 made them.
    let sealedManifest: SealedValue?
    /// What a person should know, one line each.
    let notes: [String]
    /// Where values are made of templates; nil: nowhere.
    let templatedDataLocation: String?

    /// Errors: it is of another version, malformed, or has a field that sealed-secrets does not know.
    init(_ node: YAMLNode, source: String) throws(InputError) {
        let place = node.range.location(in: source)
        let found = node["apiVersion"]?.string ?? ""
        guard found == Self.version else {
            throw InputError(
                place, "found \(describeKind(kind: Self.kind, found)); \(Self.version) is expected")
        }
        try Self.refuseUnknown(node, nil, ["apiVersion", "kind", "metadata", "spec", "status"], source)
        guard let name = try ManifestFields.identifier(node["metadata"]?["name"], "metadata.name", source)
        else {
            throw InputError(place, "metadata.name is missing; the values are bound to it")
        }
        try ManifestFields.rejectUnknownMetadata(node["metadata"], "a SealedSecret", source)
        guard let spec = node["spec"], spec.entries != nil else {
            throw InputError(place, "spec is missing or no mapping; is it a SealedSecret?")
        }
        let template = spec["template"]
        try Self.refuseUnknown(spec, "spec", ["template", "encryptedData", "data"], source)
        try Self.refuseUnknown(template, "spec.template", ["metadata", "type", "immutable", "data"], source)
        try ManifestFields.rejectUnknownMetadata(
            template?["metadata"], "spec.template of a SealedSecret", source)

        let own = try Self.labelsAndAnnotations(node["metadata"], "metadata", source)
        var made = try Self.labelsAndAnnotations(template?["metadata"], "spec.template.metadata", source)
        scope = Scope(sealedSecretAnnotations: own.annotations)
        let sealed = spec["encryptedData"].flatMap { $0.isNull ? nil : $0 }
        values = try Self.values(sealed, source)
        sealedManifest = try Self.blob(spec["data"], source)
        guard sealed != nil || sealedManifest != nil || template?["data"] != nil else {
            throw InputError(
                spec.range.location(in: source),
                "spec has neither encryptedData nor the older data; is the field misspelt, or are the values indented "
                    + "wrongly? encryptedData: {} says that there are none")
        }
        guard sealedManifest == nil || values.isEmpty else {
            throw InputError(
                place, "has both spec.encryptedData and the older spec.data; one of them is expected")
        }
        notes =
            Self.notes(place, name, own, made, isEmpty: values.isEmpty && sealedManifest == nil)
            + Self.notes(place, node["metadata"], template?["metadata"])
        made.annotations = made.annotations.filter { !Self.isSealedSecretsAnnotation($0.key) }

        var secret = SecretInput(name: name, source: place)
        secret.namespace = try ManifestFields.identifier(
            node["metadata"]?["namespace"], "metadata.namespace", source)
        secret.wrappedSecretLabels = own.labels.filter {
            Self.isMoved(ApplyToolMetadata.treatment(label: $0.key))
        }
        secret.wrappedSecretAnnotations = own.annotations.filter {
            Self.isMoved(ApplyToolMetadata.treatment(annotation: $0.key))
        }
        secret.labels = made.labels
        secret.annotations = made.annotations
        secret.type = try ManifestFields.identifier(template?["type"], "spec.template.type", source)
        secret.immutable = try ManifestFields.bool(template?["immutable"], "spec.template.immutable", source)
        self.secret = secret

        let templated = try ManifestFields.mapping(template?["data"], "spec.template.data", source)
        templatedDataLocation = templated.first?.keyRange.location(in: source)
    }

    /// Whether an annotation tells sealed-secrets what to do; it means nothing to us.
    static func isSealedSecretsAnnotation(_ annotation: String) -> Bool {
        annotation.hasPrefix(annotationPrefix)
    }

    /// What an apply tool is told of the SealedSecret holds for the WrappedSecret that takes its place.
    private static func isMoved(_ treatment: ApplyToolMetadata.Treatment?) -> Bool {
        if case .moved = treatment { true } else { false }
    }

    private static func values(
        _ node: YAMLNode?, _ source: String
    ) throws(InputError) -> [(name: String, value: SealedValue)] {
        var values: [(name: String, value: SealedValue)] = []
        for entry in try ManifestFields.mapping(node, "spec.encryptedData", source) {
            try ManifestFields.checkEntry(entry, source)
            values.append((entry.key, try value(entry.value, "spec.encryptedData.\(entry.key)", source)))
        }
        return values
    }

    private static func blob(_ node: YAMLNode?, _ source: String) throws(InputError) -> SealedValue? {
        guard let node, !node.isNull else { return nil }
        guard node.entries == nil else {
            throw InputError(
                node.range.location(in: source),
                "spec.data is a mapping, which sealed-secrets does not know; are the values meant to be under "
                    + "spec.encryptedData?")
        }
        return try value(node, "spec.data", source)
    }

    /// Line breaks inside are allowed, as in sealed-secrets.
    private static func value(_ node: YAMLNode, _ field: String, _ source: String) throws(InputError)
        -> SealedValue
    {
        let text = try ManifestFields.secretString(node, field, source)
        let place = node.range.location(in: source)
        do throws(Base64.DecodingError) {
            let bytes = try Base64.decodeSecret(text.bytes, skipping: Base64.lineBreaks)
            return SealedValue(field: field, place: place, sealed: bytes.withUnsafeBytes { Array($0) })
        } catch {
            throw InputError(
                place,
                "\(field) is not valid base64 (\(error.problem) at byte \(error.offset)); it is expected as kubeseal "
                    + "wrote it")
        }
    }

    private typealias Pairs = (labels: [String: String], annotations: [String: String])

    private static func labelsAndAnnotations(
        _ metadata: YAMLNode?, _ field: String, _ source: String
    ) throws(InputError) -> Pairs {
        (
            try ManifestFields.stringMap(metadata?["labels"], "\(field).labels", source),
            try ManifestFields.stringMap(metadata?["annotations"], "\(field).annotations", source)
        )
    }

    private static func notes(
        _ place: String, _ name: String, _ own: Pairs, _ made: Pairs, isEmpty: Bool
    ) -> [String] {
        var notes =
            isEmpty ? ["\(place): spec.encryptedData of \(name) is empty; so is the WrappedSecret"] : []
        let labels = own.labels.keys.filter { !isMoved(ApplyToolMetadata.treatment(label: $0)) }
        let annotations = own.annotations.keys.filter {
            !isMoved(ApplyToolMetadata.treatment(annotation: $0))
        }
        let lost = (labels + annotations).filter {
            !isSealedSecretsAnnotation($0) && $0 != "kubectl.kubernetes.io/last-applied-configuration"
        }
        if !lost.isEmpty {
            notes.append(
                "\(place): the SealedSecret's own \(lost.sorted().joined(separator: ", ")) is left out; put it on the "
                    + "WrappedSecret if it is wanted there")
        }
        if made.annotations[patch] == "true" {
            notes.append(
                "\(place): \(name) is patched into a Secret that somebody else makes; for that, a WrappedSecret has "
                    + "spec.creationPolicy: Merge")
        }
        return notes
    }

    /// Of metadata that comes of neither the SealedSecret nor its template.
    private static func notes(_ place: String, _ own: YAMLNode?, _ made: YAMLNode?) -> [String] {
        ManifestFields.unsupportedFields(own).map {
            "\(place): the SealedSecret's own metadata.\($0) is left out; set it on the WrappedSecret if it is wanted there"
        }
            + ManifestFields.unsupportedFields(made).map {
                "\(place): spec.template.metadata.\($0) is left out: a WrappedSecret's template has labels and annotations "
                    + "alone"
            }
    }

    private static func refuseUnknown(
        _ node: YAMLNode?, _ field: String?, _ known: [String], _ source: String
    ) throws(InputError) {
        try ManifestFields.rejectUnknownFields(
            try ManifestFields.mapping(node, field ?? kind, source),
            "\(field.map { "\($0) of " } ?? "")a SealedSecret", known: known, source)
    }
}
