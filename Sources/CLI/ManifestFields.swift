import Cryptography
import Envelope
import YAML

/// The fields of a manifest, and errors that say what they should be. `source` names the file, `field` the field.
///
/// A key is quoted only where it is known to be one: at a slip of the syntax a value is read as a key. `{password:hunter2}`
/// and `{password: a,hunter2}` have keys that hold values, and an indentation that is lost makes keys of lines of a value.
/// Errors point to such places and do not quote them.
enum ManifestFields {
    static func checkEntry(_ entry: YAMLNode.Entry, _ source: String) throws(InputError) {
        let place = entry.keyRange.location(in: source)
        guard !entry.isKeyCoerced else {
            throw InputError(place, "this key is read as a number or a boolean; put quotes around it")
        }
        try checkEntryName(entry.key, place)
        guard !entry.value.isNull else {
            throw InputError(
                place,
                "this entry has no value; KEY: VALUE is expected, with a space after the colon, and quotes around a value "
                    + "with a comma in it; an empty value is \"\"")
        }
    }

    /// Refuses a name that no entry can have, without quoting it.
    static func checkEntryName(_ name: String, _ place: String) throws(InputError) {
        do throws(EnvelopeError) {
            try EnvelopeValidation.check(entry: name)
        } catch {
            throw InputError(
                place,
                "this is not the name of an entry (1 to 253 of A-Z a-z 0-9 - _ ., not starting with '..'); in YAML, a "
                    + "space is needed between a key's colon and its value")
        }
    }

    /// Refuses fields that are not `known`, without quoting them.
    ///
    /// - Parameter what: has the fields, as in `a Secret`.
    static func rejectUnknownFields(
        _ entries: [YAMLNode.Entry], _ what: String, known: [String], _ source: String
    ) throws(InputError) {
        try rejectUnknownFields(entries, what, known: known, source, "is it misspelt, or indented wrongly?")
    }

    /// - Parameters:
    ///   - hidden: fields that are known, too, and that the error does not list.
    ///   - question: where no known field is close.
    static func rejectUnknownFields(
        _ entries: [YAMLNode.Entry], _ what: String, known: [String], hidden: Set<String> = [],
        _ source: String,
        _ question: String
    ) throws(InputError) {
        for entry in entries where !known.contains(entry.key) && !hidden.contains(entry.key) {
            let closest = SpellingSuggestion.closest(to: entry.key, in: known)
            throw InputError(
                entry.keyRange.location(in: source),
                "\(what) has no such field (\(known.joined(separator: ", ")) are its fields); "
                    + (closest.map { "is \($0) meant?" } ?? question))
        }
    }

    /// Refuses fields that the metadata of no object has, without quoting them: at a line that is lost, values become
    /// such fields.
    static func rejectUnknownMetadata(_ metadata: YAMLNode?, _ what: String, _ source: String)
        throws(InputError)
    {
        try rejectUnknownFields(
            try mapping(metadata, "metadata", source), "metadata of \(what)",
            known: ["name", "namespace", "labels", "annotations"],
            hidden: Set(serverManagedMetadata + unsupportedMetadata), source,
            "is it misspelt or indented wrongly, or is the line data: or stringData: missing before it?")
    }

    /// Fields of `metadata` that only the API server sets, of old versions too.
    static let serverManagedMetadata = [
        "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "managedFields", "selfLink", "clusterName",
    ]

    static let unsupportedMetadata = ["finalizers", "ownerReferences", "generateName"]

    /// Refuses a tag that YAML does not know: most likely it is the beginning of a value that lacks its quotes, and is no
    /// part of what is read.
    static func rejectUnknownTag(_ node: YAMLNode, _ field: String, _ source: String) throws(InputError) {
        guard let tag = node.scalar?.tag, !knownTags.contains(tag) else { return }
        throw InputError(
            node.range.location(in: source),
            "\(field) begins with !, which makes a tag of its first word in YAML, and no part of the value; put quotes "
                + "around it")
    }

    private static let knownTags = Set(
        ["str", "null", "bool", "int", "float", "binary", "timestamp"].map { "tag:yaml.org,2002:\($0)" })

    /// Fields of `metadata` that a user sets, that mean something, and that a template cannot have. Those that the API
    /// server sets, and empty ones, are not among them.
    static func unsupportedFields(_ metadata: YAMLNode?) -> [String] {
        unsupportedMetadata.filter { field in
            guard let node = metadata?[field], !node.isNull else { return false }
            return node.elements?.isEmpty != true
        }
    }

    static func mapping(
        _ node: YAMLNode?, _ field: String, _ source: String
    ) throws(InputError) -> [YAMLNode.Entry] {
        guard let node, !node.isNull else { return [] }
        guard let entries = node.entries else { throw typeMismatch(node, field, "a mapping", source) }
        return entries
    }

    static func stringMap(
        _ node: YAMLNode?, _ field: String, _ source: String
    ) throws(InputError) -> [String: String] {
        var pairs: [String: String] = [:]
        for entry in try mapping(node, field, source) {
            pairs[entry.key] = try string(entry.value, "\(field).\(entry.key)", source) ?? ""
        }
        return pairs
    }

    static func string(
        _ node: YAMLNode?, _ field: String, _ source: String
    ) throws(InputError) -> String? {
        guard let node, !node.isNull else { return nil }
        try rejectUnknownTag(node, field, source)
        guard let text = node.string else { throw typeMismatch(node, field, "a string", source) }
        return text
    }

    /// The name of an object, a namespace or a type: none of them may be the text of a template. Empty is absent.
    static func identifier(_ node: YAMLNode?, _ field: String, _ source: String) throws(InputError) -> String?
    {
        guard let node, let text = try string(node, field, source), !text.isEmpty else { return nil }
        guard !text.contains("{{") else {
            throw InputError(
                node.range.location(in: source),
                "\(field) has {{ }}, as in a template of a Helm chart; render it first (helm template)")
        }
        return text
    }

    /// A missing value is false.
    static func bool(_ node: YAMLNode?, _ field: String, _ source: String) throws(InputError) -> Bool {
        guard let node, !node.isNull else { return false }
        guard let value = node.bool else { throw typeMismatch(node, field, "true or false", source) }
        return value
    }

    static func secretString(
        _ node: YAMLNode, _ field: String, _ source: String
    ) throws(InputError) -> SharedSecret {
        try rejectUnknownTag(node, field, source)
        guard let scalar = node.scalar, scalar.valueType == .string else {
            throw typeMismatch(node, field, "a string", source)
        }
        return scalar.bytes
    }

    static func typeMismatch(
        _ node: YAMLNode, _ field: String, _ expected: String, _ source: String
    ) -> InputError {
        let advice = expected == "a string" && node.scalar != nil ? "; put quotes around it" : ""
        return InputError(
            node.range.location(in: source), "\(field) is \(node.typeName); \(expected) is expected\(advice)")
    }
}
