import Envelope
import Primitives
import YAML

/// What stands in the fields of a manifest, or a line that says what should. `source` names the file, `field` the field.
enum ManifestFields {
    static func checkEntry(_ entry: Node.Entry, _ source: String) throws(InputError) {
        let place = entry.keyMark.location(in: source)
        guard !entry.isKeyRewritten else {
            throw InputError(place, "a key is read as \(shown(entry.key)); put quotes around it")
        }
        do {
            try EnvelopeRules.check(entry: entry.key)
        } catch {
            throw InputError(place, error.description)
        }
    }

    static func mapping(
        _ node: Node?, _ field: String, _ source: String
    ) throws(InputError) -> [Node.Entry] {
        guard let node, !node.isNull else { return [] }
        guard let entries = node.entries else { throw mismatch(node, field, "a mapping", source) }
        return entries
    }

    static func pairs(
        _ node: Node?, _ field: String, _ source: String
    ) throws(InputError) -> [String: String] {
        var pairs: [String: String] = [:]
        for entry in try mapping(node, field, source) {
            pairs[entry.key] = try text(entry.value, "\(field).\(entry.key)", source) ?? ""
        }
        return pairs
    }

    static func text(
        _ node: Node?, _ field: String, _ source: String
    ) throws(InputError) -> String? {
        guard let node, !node.isNull else { return nil }
        guard let text = node.string else { throw mismatch(node, field, "a string", source) }
        return text
    }

    /// Nothing is false.
    static func bool(_ node: Node?, _ field: String, _ source: String) throws(InputError) -> Bool {
        guard let node, !node.isNull else { return false }
        guard let value = node.bool else { throw mismatch(node, field, "true or false", source) }
        return value
    }

    static func scalar(
        _ node: Node, _ field: String, _ source: String
    ) throws(InputError) -> SharedSecret {
        guard let scalar = node.scalar, scalar.kind == .string else {
            throw mismatch(node, field, "a string", source)
        }
        return scalar.bytes
    }

    static func mismatch(
        _ node: Node, _ field: String, _ expected: String, _ source: String
    ) -> InputError {
        let advice = expected == "a string" && node.scalar != nil ? "; put quotes around it" : ""
        return InputError(
            node.mark.location(in: source), "\(field) is \(node.typeName); \(expected) is expected\(advice)")
    }
}
