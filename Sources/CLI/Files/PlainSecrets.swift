import Primitives
import YAML

/// The Secrets of one file whose values are not encrypted, which do not belong into a repository.
struct PlainSecrets {
    private(set) var problems: [InputError] = []
    private(set) var notes: [String] = []

    init(in contents: SharedSecret, source: String) {
        guard ManifestFile.mentions("Secret", in: contents) else { return }
        do throws(YAMLError) {
            let documents = try YAMLReader.documents(in: contents.bytes, source: source)
            problems = documents.flatMap { Self.objects(in: $0, kind: nil) }.compactMap {
                Self.problem(of: $0, source)
            }
        } catch {
            // Most files with the word are other things.
            guard Self.declaresSecrets(contents) else { return }
            if ManifestSyntax.isTemplate(error, in: contents.bytes) {
                notes.append("\(source): is a template ({{ }}) and was not searched for Secrets")
            } else {
                problems.append(ManifestSyntax.error(error, in: contents.bytes, source: source))
            }
        }
    }

    private static func declaresSecrets(_ contents: SharedSecret) -> Bool {
        ["Secret", "SecretList"].contains { ManifestFile.declares($0, in: contents) }
    }

    /// An object with its kind; of a list, its items, which a `SecretList` need not give a kind.
    private static func objects(in node: Node, kind: String?) -> [(node: Node, kind: String?)] {
        let kind = node["kind"]?.string ?? kind
        guard let kind, kind.hasSuffix("List"), let items = node["items"]?.elements else {
            return [(node, kind)]
        }
        return items.flatMap { objects(in: $0, kind: kind == "SecretList" ? "Secret" : nil) }
    }

    private static func problem(of object: (node: Node, kind: String?), _ source: String) -> InputError? {
        let node = object.node
        guard object.kind == "Secret", ["v1", nil].contains(node["apiVersion"]?.string) else { return nil }
        let values = ["data", "stringData"].flatMap { node[$0]?.entries ?? [] }.map(\.value)
        let plain = node["sops"]?.entries == nil ? values : values.filter { !isEncryptedBySOPS($0) }
        guard !plain.isEmpty else { return nil }
        let name = node["metadata"]?["name"]?.string.map { " \(shown($0))" } ?? ""
        return InputError(
            node.mark.location(in: source),
            "Secret\(name) is not encrypted (\(plain.count) \(plain.count == 1 ? "value" : "values")); commit what "
                + "secrets-bridge wrap makes of it, and change values that were pushed")
    }

    private static func isEncryptedBySOPS(_ value: Node) -> Bool {
        value.scalar?.bytes.bytes.withUnsafeBytes { $0.starts(with: Array("ENC[".utf8)) } ?? false
    }
}
