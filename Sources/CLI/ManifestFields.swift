import Envelope
import Primitives
import YAML

/// The fields of a manifest, and errors that say what they should be. `source` names the file, `field` the field.
///
/// A key is quoted only where it is known to be one: at a slip of the syntax a value is read as a key. `{password:hunter2}`
/// and `{password: a,hunter2}` have keys that hold values, and an indentation that is lost makes keys of lines of a value.
/// Errors point to such places and do not quote them.
enum ManifestFields {
    static func checkEntry(_ entry: Node.Entry, _ source: String) throws(InputError) {
        let place = entry.keyMark.location(in: source)
        guard !entry.isKeyRewritten else {
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
            try EnvelopeRules.check(entry: name)
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
    static func refuseUnknown(
        _ entries: [Node.Entry], _ what: String, known: [String], _ source: String
    ) throws(InputError) {
        try refuseUnknown(entries, what, known: known, source, "is it misspelt, or indented wrongly?")
    }

    /// - Parameters:
    ///   - hidden: fields that are known, too, and that the error does not list.
    ///   - question: where no known field is close.
    static func refuseUnknown(
        _ entries: [Node.Entry], _ what: String, known: [String], hidden: Set<String> = [], _ source: String,
        _ question: String
    ) throws(InputError) {
        for entry in entries where !known.contains(entry.key) && !hidden.contains(entry.key) {
            let closest = Suggestion.closest(to: entry.key, in: known)
            throw InputError(
                entry.keyMark.location(in: source),
                "\(what) has no such field (\(known.joined(separator: ", ")) are its fields); "
                    + (closest.map { "is \($0) meant?" } ?? question))
        }
    }

    /// Refuses fields that the metadata of no object has, without quoting them: at a line that is lost, values become
    /// such fields.
    static func refuseUnknownMetadata(_ metadata: Node?, _ what: String, _ source: String) throws(InputError)
    {
        try refuseUnknown(
            try mapping(metadata, "metadata", source), "metadata of \(what)",
            known: ["name", "namespace", "labels", "annotations"],
            hidden: Set(setByAPIServer + untakenMetadata), source,
            "is it misspelt or indented wrongly, or is the line data: or stringData: missing before it?")
    }

    /// Fields of `metadata` that only the API server sets, of old versions too.
    static let setByAPIServer = [
        "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "managedFields", "selfLink", "clusterName",
    ]

    static let untakenMetadata = ["finalizers", "ownerReferences", "generateName"]

    /// Refuses a tag that YAML does not know: most likely it is the beginning of a value that lacks its quotes, and is no
    /// part of what is read.
    static func checkTag(_ node: Node, _ field: String, _ source: String) throws(InputError) {
        guard let tag = node.scalar?.tag, !knownTags.contains(tag) else { return }
        throw InputError(
            node.mark.location(in: source),
            "\(field) begins with !, which makes a tag of its first word in YAML, and no part of the value; put quotes "
                + "around it")
    }

    private static let knownTags = Set(
        ["str", "null", "bool", "int", "float", "binary", "timestamp"].map { "tag:yaml.org,2002:\($0)" })

    /// Fields of `metadata` that a user sets, that mean something, and that a template cannot have. Those that the API
    /// server sets, and empty ones, are not among them.
    static func otherMetadata(_ metadata: Node?) -> [String] {
        untakenMetadata.filter { field in
            guard let node = metadata?[field], !node.isNull else { return false }
            return node.elements?.isEmpty != true
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
        try checkTag(node, field, source)
        guard let text = node.string else { throw mismatch(node, field, "a string", source) }
        return text
    }

    /// The name of an object, a namespace or a type: none of them may be the text of a template. Empty is absent.
    static func identifier(_ node: Node?, _ field: String, _ source: String) throws(InputError) -> String? {
        guard let node, let text = try text(node, field, source), !text.isEmpty else { return nil }
        guard !text.contains("{{") else {
            throw InputError(
                node.mark.location(in: source),
                "\(field) has {{ }}, as in a template of a Helm chart; render it first (helm template)")
        }
        return text
    }

    /// A missing value is false.
    static func bool(_ node: Node?, _ field: String, _ source: String) throws(InputError) -> Bool {
        guard let node, !node.isNull else { return false }
        guard let value = node.bool else { throw mismatch(node, field, "true or false", source) }
        return value
    }

    static func scalar(
        _ node: Node, _ field: String, _ source: String
    ) throws(InputError) -> SharedSecret {
        try checkTag(node, field, source)
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
