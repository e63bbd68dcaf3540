import Cryptography
import YAML

/// Finds the unencrypted Secrets of a file, which do not belong in a repository.
struct UnencryptedSecrets {
    private(set) var problems: [InputError] = []
    private(set) var notes: [String] = []
    private let source: String
    /// The Secrets that have been examined: a file can have thousands of aliases of one.
    private var secrets: Set<UnsafeRawPointer> = []
    /// The offsets of the annotations that have been examined.
    private var annotations: Set<Int> = []

    init(in contents: SharedSecret, source: String) {
        self.source = source
        guard ManifestFile.mayMention("Secret", in: contents) else { return }
        do throws(YAMLError) {
            let documents = try YAMLReader.documents(in: contents.bytes, source: source)
            // The identities of Secrets are valid while the documents exist.
            withExtendedLifetime(documents) {
                for object in documents.flatMap({ Self.objects(in: $0, kind: nil) }) { examine(object) }
            }
        } catch {
            // Most files that contain the word are not manifests of Secrets.
            guard Self.declaresSecrets(contents) else { return }
            if ManifestSyntax.isHelmTemplate(error, in: contents.bytes) {
                notes.append("\(source): is a template ({{ }}) and was not searched for Secrets")
            } else {
                problems.append(ManifestSyntax.inputError(error, in: contents.bytes, source: source))
            }
        }
    }

    private static func declaresSecrets(_ contents: SharedSecret) -> Bool {
        ManifestFile.mayHaveObject(of: ["Secret", "SecretList"], in: contents)
    }

    /// Returns the objects with their kinds. Items of a `SecretList` inherit its kind.
    private static func objects(in node: YAMLNode, kind: String?) -> [(node: YAMLNode, kind: String?)] {
        if let elements = node.elements { return elements.flatMap { objects(in: $0, kind: kind) } }
        let kind = node["kind"]?.string ?? kind
        guard kind?.hasSuffix("List") ?? true, let items = node["items"]?.elements else {
            return [(node, kind)]
        }
        return items.flatMap { objects(in: $0, kind: kind == "SecretList" ? "Secret" : nil) }
    }

    private mutating func examine(_ object: (node: YAMLNode, kind: String?)) {
        let node = object.node
        examineLastApplied(to: node)
        guard Self.isSecret(object), let identity = node.mappingIdentity, secrets.insert(identity).inserted
        else { return }
        let isSOPS = node["sops"]?.entries != nil
        let secret = "Secret\(Self.name(of: node))"
        let count = Self.plainValues(of: node)
        if count > 0 {
            problems.append(
                InputError(
                    node.range.location(in: source),
                    "\(secret) is not encrypted (\(pluralized(count, "value"))); commit the output of secrets-bridge wrap "
                        + "instead, and change values that were pushed"))
        }
        let misplaced =
            ((node.entries ?? []).filter { !Self.fields.contains($0.key) }
            + (node["metadata"]?.entries ?? []).filter { !Self.metadataFields.contains($0.key) })
            .filter { Self.hasPlainValue($0.value, isSOPS) }
        guard let first = misplaced.first else { return }
        // The key is not quoted, as it may be a misplaced value.
        let what =
            misplaced.count == 1
            ? "an unknown field with unencrypted values"
            : "\(misplaced.count) unknown fields with unencrypted values, of which this is the first"
        let closest = SpellingSuggestion.closest(to: first.key, in: ["data", "stringData"])
        problems.append(
            InputError(
                first.keyRange.location(in: source),
                "\(secret) has \(what); "
                    + (closest.map { "is \($0) meant?" } ?? "is it misspelt or wrongly indented?")))
    }

    private static func isSecret(_ object: (node: YAMLNode, kind: String?)) -> Bool {
        object.kind == "Secret" && ["v1", nil].contains(object.node["apiVersion"]?.string)
    }

    private static func name(of node: YAMLNode) -> String {
        node["metadata"]?["name"]?.string.map { " \(quoted($0))" } ?? ""
    }

    /// Returns the number of unencrypted values of a Secret.
    private static func plainValues(of node: YAMLNode) -> Int {
        let values = ["data", "stringData"].flatMap { node[$0]?.entries ?? [] }.map(\.value)
        return node["sops"]?.entries == nil ? values.count : values.count { !isEncryptedBySOPS($0) }
    }

    /// The fields of a Secret, and those that tools add to it.
    private static let fields = Set([
        "apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData", "sops", "status",
        "$patch",
    ])
    private static let metadataFields = Set(
        ["name", "namespace", "labels", "annotations"] + ManifestFields.serverManagedMetadata
            + ManifestFields.unsupportedMetadata)
    private static let lastAppliedKey = ManifestFields.lastAppliedConfiguration

    /// Reports the annotation in which `kubectl apply` keeps the whole object as JSON, if it contains an unencrypted Secret.
    private mutating func examineLastApplied(to node: YAMLNode) {
        guard
            let entry = node["metadata"]?["annotations"]?.entries?.first(where: {
                $0.key == Self.lastAppliedKey
            }),
            let scalar = entry.value.scalar, annotations.insert(entry.value.range.start).inserted
        else { return }
        let text = scalar.bytes
        let problem: String
        if let applied = try? YAMLReader.jsonDocuments(in: text.bytes, source: source) {
            let secrets = applied.flatMap { Self.objects(in: $0, kind: nil) }.filter(Self.isSecret)
            let count = secrets.reduce(0) { $0 + Self.plainValues(of: $1.node) }
            guard count > 0 else { return }
            problem = "contains an unencrypted Secret (\(pluralized(count, "value")))"
        } else {
            guard Self.declaresSecrets(text) else { return }
            problem = "is not JSON, and may contain an unencrypted Secret"
        }
        problems.append(
            InputError(
                entry.keyRange.location(in: source),
                "the annotation \(Self.lastAppliedKey) \(problem); remove the annotation, and change values that were pushed"
            ))
    }

    /// Returns true if a scalar below `value` is neither empty nor encrypted.
    private static func hasPlainValue(_ value: YAMLNode, _ isSOPS: Bool) -> Bool {
        if let entries = value.entries { return entries.contains { hasPlainValue($0.value, isSOPS) } }
        if let elements = value.elements { return elements.contains { hasPlainValue($0, isSOPS) } }
        return !value.isNull && !(isSOPS && isEncryptedBySOPS(value))
    }

    private static func isEncryptedBySOPS(_ value: YAMLNode) -> Bool {
        value.scalar?.bytes.bytes.withUnsafeBytes { $0.starts(with: Array("ENC[".utf8)) } ?? false
    }
}
