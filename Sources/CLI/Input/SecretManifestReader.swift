package import Cryptography
import Envelope
import YAML

/// Reads `Secret` manifests as kubectl does, and refuses the fields that kubectl would ignore.
package enum SecretManifestReader {
    private static let fields = [
        "apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData",
    ]

    /// Returns the Secrets of a file with one or more documents. A `List` counts as its items.
    package static func secrets(
        in file: borrowing SecretBytes, source: String
    ) throws(InputError) -> [SecretInput] {
        let objects = try ManifestFile.objects(in: file, source: source, kind: "Secret")
        // Few files have the character, so the others are not parsed a second time.
        let hasAnchors = file.withUnsafeBytes { ManifestFile.contains([UInt8(ascii: "&")], in: $0) }
        if hasAnchors {
            let unused = YAMLReader.unusedAnchors(in: file)
            for object in objects { try refuse(unusedAnchors: unused, of: object, source) }
        }
        var secrets: [SecretInput] = []
        var noted: Set<Int> = []
        for object in objects {
            var secret = try secret(object, source)
            secret.commentNotes = file.withUnsafeBytes {
                commentNotes(object["stringData"], in: $0, source, &noted)
            }
            secrets.append(secret)
        }
        return secrets
    }

    /// Returns the Secret of one object.
    static func secret(_ node: YAMLNode, _ source: String) throws(InputError) -> SecretInput {
        let location = node.range.location(in: source)
        guard let entries = node.entries else {
            throw InputError(
                location, "found \(node.typeName); a Secret manifest in YAML or JSON is expected")
        }
        guard let kind = node["kind"]?.string, let version = node["apiVersion"]?.string else {
            throw InputError(
                location, "kind or apiVersion is missing; kind: Secret, apiVersion: v1 are expected")
        }
        guard kind == "Secret", version == "v1" else {
            throw InputError(
                location,
                "found \(describeKind(kind, version)); kind: Secret, apiVersion: v1 are expected")
        }
        try ManifestFields.rejectUnknownFields(entries, of: "a Secret", known: fields, source)
        var secret = SecretInput(name: "", source: location)
        try readMetadata(of: node, into: &secret, source)
        secret.type = try ManifestFields.identifier(node["type"], "type", source)
        secret.isImmutable = try ManifestFields.bool(node["immutable"], "immutable", source)
        secret.entries = try readEntries(of: node, source)
        secret.notes = templateNotes(node["stringData"], source)
        return secret
    }

    private static func readMetadata(
        of node: YAMLNode, into secret: inout SecretInput, _ source: String
    ) throws(InputError) {
        guard let metadata = node["metadata"], metadata.entries != nil,
            let name = try ManifestFields.identifier(metadata["name"], "metadata.name", source)
        else {
            throw InputError(
                node.range.location(in: source), "metadata.name is missing; give the Secret a name")
        }
        try ManifestFields.rejectUnknownMetadata(metadata, of: "a Secret", source)
        secret.name = name
        secret.namespace = try ManifestFields.identifier(metadata["namespace"], "metadata.namespace", source)
        secret.serverManagedMetadata = ManifestFields.serverManagedMetadata.filter {
            metadata[$0]?.isNull == false
        }
        secret.unsupportedMetadata = ManifestFields.unsupportedFields(metadata)
        secret.owner = owner(metadata["ownerReferences"])
        secret.uid = try ManifestFields.string(metadata["uid"], "metadata.uid", source)
        secret.labels = try ManifestFields.stringMap(metadata["labels"], "metadata.labels", source)
        secret.annotations = try ManifestFields.annotations(
            metadata["annotations"], "metadata.annotations", source)
    }

    /// Returns the owner reference with `controller: true`. A malformed reference counts as none.
    private static func owner(_ references: YAMLNode?) -> SecretInput.Owner? {
        let controller = references?.elements?.first { $0["controller"]?.bool == true }
        guard let kind = controller?["kind"]?.string, let name = controller?["name"]?.string else {
            return nil
        }
        return SecretInput.Owner(kind: kind, name: name)
    }

    /// Reads the entries. `stringData` overrides `data`, as in the API.
    static func readEntries(of node: YAMLNode, _ source: String) throws(InputError) -> [SecretEntry] {
        var values: [String: SharedSecret] = [:]
        for entry in try ManifestFields.mapping(node["data"], "data", source) {
            try ManifestFields.checkEntry(entry, source)
            let text = try ManifestFields.secretString(entry.value, "data.\(entry.key)", source)
            values[entry.key] = try decode(text, entry, source)
        }
        for entry in try ManifestFields.mapping(node["stringData"], "stringData", source) {
            try ManifestFields.checkEntry(entry, source)
            values[entry.key] = try ManifestFields.secretString(
                entry.value, "stringData.\(entry.key)", source)
        }
        return values.sorted { $0.key < $1.key }.map { SecretEntry(name: $0.key, value: $0.value) }
    }

    /// Decodes base64 as the API server does: with line breaks inside, and with bits that the padding drops.
    private static func decode(
        _ text: SharedSecret, _ entry: YAMLNode.Entry, _ source: String
    ) throws(InputError) -> SharedSecret {
        do throws(Base64.DecodingError) {
            return SharedSecret(try Base64.decodeSecret(text.bytes, skipping: Base64.lineBreaks))
        } catch {
            let (problem, remedy) = explain(error, text)
            throw InputError(
                entry.value.range.location(in: source),
                "data.\(entry.key) is not valid base64 (\(problem)); \(remedy)")
        }
    }

    private static func explain(
        _ error: Base64.DecodingError, _ text: SharedSecret
    ) -> (problem: String, remedy: String) {
        if isTemplate(text) {
            return (
                "it has {{ }}, as in a template of a Helm chart", "render it first (helm template)"
            )
        }
        if (try? Base64.decodeSecret(text.bytes, skipping: blanks)) != nil {
            return (
                "it has blanks",
                "lines that are folded (>), and lines of a value without |, are joined with blanks: write "
                    + "it in one line, or under |"
            )
        }
        return (
            "\(error.problem) at byte \(error.offset)",
            "encode the value, or put it under stringData as it is"
        )
    }

    private static let blanks = Base64.lineBreaks.union([UInt8(ascii: " "), UInt8(ascii: "\t")])

    private static func isTemplate(_ text: SharedSecret) -> Bool {
        text.bytes.withUnsafeBytes { text in
            text.starts(with: Array("{{".utf8)) && text.suffix(2).elementsEqual(Array("}}".utf8))
        }
    }

    /// Returns a note for each value that consists of a template expression, which most likely should have been
    /// rendered.
    private static func templateNotes(_ stringData: YAMLNode?, _ source: String) -> [String] {
        (stringData?.entries ?? []).filter { $0.value.scalar.map { isTemplate($0.bytes) } == true }.map {
            "\($0.value.range.location(in: source)): stringData.\($0.key) is wrapped unrendered, with its {{ }}; render it first "
                + "(helm template) if it is a template"
        }
    }

    /// Returns a note for each unquoted value that ends before a comment: the text after ` #` may belong to it.
    ///
    /// - Parameter noted: The offsets of the values that were examined. Aliases and merge keys repeat values, and the text after
    ///   each may be long.
    private static func commentNotes(
        _ stringData: YAMLNode?, in text: UnsafeRawBufferPointer, _ source: String, _ noted: inout Set<Int>
    ) -> [String] {
        (stringData?.entries ?? []).filter { entry in
            let value = entry.value
            guard value.scalar?.style == .plain, !value.isAlias, value.range.end <= text.count,
                noted.insert(value.range.end).inserted
            else { return false }
            return text[value.range.end...].first { !" \t".utf8.contains($0) } == UInt8(ascii: "#")
        }.map {
            "\($0.value.range.location(in: source)): the value of \($0.key) ends before a comment; quote it if # is part of it"
        }
    }

    /// Refuses a value whose first word is an anchor (`&word`) without an alias: most likely it lacks quotes, and YAML
    /// drops the word. `unusedAnchors` holds the offsets at which such values start.
    private static func refuse(
        unusedAnchors: Set<Int>, of object: YAMLNode, _ source: String
    ) throws(InputError) {
        for field in ["data", "stringData"] {
            for entry in object[field]?.entries ?? []
            where !entry.value.isAlias && unusedAnchors.contains(entry.value.range.start) {
                throw InputError(
                    entry.value.range.location(in: source),
                    "the value begins with &, so YAML reads its first word as an anchor and drops it; put "
                        + "quotes around it")
            }
        }
    }
}
