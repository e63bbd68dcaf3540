import Cryptography
import YAML

/// Finds the unencrypted Secrets of a file, which do not belong in a repository.
struct UnencryptedSecrets {
    private(set) var problems: [InputError] = []
    private(set) var notes: [String] = []

    init(in contents: SharedSecret, source: String) {
        guard ManifestFile.mayMention("Secret", in: contents) else { return }
        do throws(YAMLError) {
            let documents = try YAMLReader.documents(in: contents.bytes, source: source)
            problems = documents.flatMap { Self.objects(in: $0, kind: nil) }.flatMap {
                Self.problems(of: $0, source)
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

    private static func problems(of object: (node: YAMLNode, kind: String?), _ source: String) -> [InputError]
    {
        let node = object.node
        var problems = [lastApplied(to: node, source)].compactMap(\.self)
        guard isSecret(object) else { return problems }
        let isSOPS = node["sops"]?.entries != nil
        let count = plainValues(of: node)
        if count > 0 {
            problems.append(
                InputError(
                    node.range.location(in: source),
                    "Secret\(name(of: node)) is not encrypted (\(pluralized(count, "value"))); commit the output of "
                        + "secrets-bridge wrap instead, and change values that were pushed"))
        }
        let misplaced =
            (node.entries ?? []).filter { !fields.contains($0.key) }
            + (node["metadata"]?.entries ?? []).filter { !metadataFields.contains($0.key) }
        // The key is not quoted, as it may be a misplaced value.
        problems += misplaced.filter { hasPlainValue($0.value, isSOPS) }.map { entry in
            let closest = SpellingSuggestion.closest(to: entry.key, in: ["data", "stringData"])
            return InputError(
                entry.keyRange.location(in: source),
                "Secret\(name(of: node)) has an unknown field with unencrypted values; "
                    + (closest.map { "is \($0) meant?" } ?? "is it misspelt or wrongly indented?"))
        }
        return problems
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

    /// Returns an error if the annotation in which `kubectl apply` keeps the whole object contains an unencrypted
    /// Secret.
    private static func lastApplied(to node: YAMLNode, _ source: String) -> InputError? {
        guard
            let entry = node["metadata"]?["annotations"]?.entries?.first(where: { $0.key == lastAppliedKey }),
            let text = entry.value.scalar?.bytes,
            let applied = try? YAMLReader.documents(in: text.bytes, source: source)
        else { return nil }
        let count = applied.flatMap { objects(in: $0, kind: nil) }.filter(isSecret).map {
            plainValues(of: $0.node)
        }
        .reduce(0, +)
        guard count > 0 else { return nil }
        return InputError(
            entry.keyRange.location(in: source),
            "the annotation \(lastAppliedKey) contains an unencrypted Secret (\(pluralized(count, "value"))); remove "
                + "the annotation, and change values that were pushed")
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
