import Cryptography
import Envelope
import YAML

/// Reads typed fields of a manifest. Errors name the field and the type that is expected.
///
/// In the functions, `source` names the file and `field` the field. A key is quoted only if it is known to be one:
/// after a slip of the syntax, a value is read as a key. `{password:hunter2}` and `{password: a,hunter2}` have keys
/// that hold values, and lost indentation turns lines of a value into keys. Errors point to such places without quoting
/// them.
enum ManifestFields {
    static func checkEntry(_ entry: YAMLNode.Entry, _ source: String) throws(InputError) {
        let location = entry.keyRange.location(in: source)
        guard !entry.isKeyCoerced else {
            throw InputError(location, "this key is read as a number or a boolean; put quotes around it")
        }
        try checkEntryName(entry.key, location)
        guard !entry.value.isNull else {
            throw InputError(
                location,
                "this entry has no value; KEY: VALUE is expected, with a space after the colon, and quotes around a value "
                    + "with a comma in it; an empty value is \"\"")
        }
    }

    /// Refuses an invalid entry name, without quoting it.
    static func checkEntryName(_ name: String, _ location: String) throws(InputError) {
        do throws(EnvelopeError) {
            try EnvelopeValidation.check(entry: name)
        } catch {
            throw InputError(
                location,
                "this is not the name of an entry (1 to 253 of A-Z a-z 0-9 - _ ., not starting with '..'); in YAML, a "
                    + "space is needed between a key's colon and its value")
        }
    }

    /// Refuses fields that are not `known`, without quoting them.
    ///
    /// - Parameters:
    ///   - owner: The owner of the fields, as in `a Secret`.
    ///   - hidden: Known fields that the error does not list.
    ///   - remedy: The remedy if no known field is similar.
    static func rejectUnknownFields(
        _ entries: [YAMLNode.Entry], of owner: String, known: [String], hidden: Set<String> = [],
        _ source: String, remedy: String = "is it misspelt or wrongly indented?"
    ) throws(InputError) {
        for entry in entries where !known.contains(entry.key) && !hidden.contains(entry.key) {
            let closest = SpellingSuggestion.closest(to: entry.key, in: known)
            throw InputError(
                entry.keyRange.location(in: source),
                "\(owner) has no such field (\(known.joined(separator: ", ")) are its fields); "
                    + (closest.map { "is \($0) meant?" } ?? remedy))
        }
    }

    /// Refuses fields that no object's metadata has, without quoting them: if a line is lost, values become such
    /// fields.
    static func rejectUnknownMetadata(_ metadata: YAMLNode?, of owner: String, _ source: String)
        throws(InputError)
    {
        try rejectUnknownFields(
            try mapping(metadata, "metadata", source), of: "metadata of \(owner)",
            known: ["name", "namespace", "labels", "annotations"],
            hidden: Set(serverManagedMetadata + unsupportedMetadata), source,
            remedy:
                "is it misspelt or wrongly indented, or is the line data: or stringData: missing before it?")
    }

    /// Fields of `metadata` that only the API server sets, including those of old versions.
    static let serverManagedMetadata = [
        "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "managedFields", "selfLink", "clusterName",
    ]

    static let unsupportedMetadata = ["finalizers", "ownerReferences", "generateName"]

    /// Refuses a tag that YAML does not define: most likely it is the start of a value that lacks quotes, and YAML
    /// would drop it.
    static func rejectUnknownTag(_ node: YAMLNode, _ field: String, _ source: String) throws(InputError) {
        guard let tag = node.scalar?.tag, !knownTags.contains(tag) else { return }
        throw InputError(
            node.range.location(in: source),
            "\(field) begins with !, so YAML reads its first word as a tag and drops it; put quotes "
                + "around it")
    }

    private static let knownTags = Set(
        ["str", "null", "bool", "int", "float", "binary", "timestamp"].map { "tag:yaml.org,2002:\($0)" })

    /// Returns the fields that a user has set in `metadata` and that a template cannot hold. Empty fields do not count.
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

    /// The annotation in which `kubectl apply` stores the whole object: that of a Secret contains the values.
    static let lastAppliedConfiguration = "kubectl.kubernetes.io/last-applied-configuration"

    /// Reads annotations of a Secret, except `lastAppliedConfiguration`, of which no copy is made.
    static func annotations(
        _ node: YAMLNode?, _ field: String, _ source: String
    ) throws(InputError) -> [String: String] {
        try stringMap(node, field, source, except: lastAppliedConfiguration)
    }

    static func stringMap(
        _ node: YAMLNode?, _ field: String, _ source: String, except skipped: String? = nil
    ) throws(InputError) -> [String: String] {
        var pairs: [String: String] = [:]
        for entry in try mapping(node, field, source) where entry.key != skipped {
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

    /// Reads the name of an object, a namespace or a type, which may not contain a template expression. Returns nil if
    /// it is empty.
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

    /// Reads a boolean, which is false if it is missing.
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
