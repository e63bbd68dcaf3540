import YAML

/// Reads nodes of a type. Nothing may be without a value.
extension RulesFile {
    func location(_ node: YAMLNode) -> String { node.range.location(in: source) }

    /// Returns the fields of a mapping, none of which is unknown or empty.
    func fields(
        of node: YAMLNode, _ owner: String, _ known: [String]
    ) throws(InputError) -> [String: YAMLNode] {
        let entries = try mapping(node, owner)
        try ManifestFields.rejectUnknownFields(entries, of: owner, known: known, source)
        var fields: [String: YAMLNode] = [:]
        for entry in entries {
            guard !entry.value.isNull else {
                throw InputError(
                    entry.keyRange.location(in: source),
                    "\(entry.key) of \(owner) has no value; give one, or leave the field out")
            }
            fields[entry.key] = entry.value
        }
        return fields
    }

    func mapping(_ node: YAMLNode, _ field: String) throws(InputError) -> [YAMLNode.Entry] {
        guard let entries = node.entries else {
            throw ManifestFields.typeMismatch(node, field, "a mapping", source)
        }
        return entries
    }

    func elements(of node: YAMLNode, _ field: String) throws(InputError) -> [YAMLNode] {
        guard let elements = node.elements else {
            throw ManifestFields.typeMismatch(node, field, "a list", source)
        }
        return elements
    }

    func string(_ node: YAMLNode, _ field: String) throws(InputError) -> String {
        guard let text = try ManifestFields.string(node, field, source) else {
            throw InputError(location(node), "\(field) has no value; a string is expected")
        }
        return text
    }
}
