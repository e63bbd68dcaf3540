import Envelope
package import Primitives
import YAML

/// Reads `Secret` manifests, as kubectl would, and refuses what kubectl would ignore.
package enum SecretManifestReader {
    private static let fields: Set<String> = [
        "apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData",
    ]

    /// The Secrets of a file with one or more documents; a `List` counts as its items.
    package static func secrets(
        in file: borrowing SecretBytes, source: String
    ) throws(InputError) -> [SecretInput] {
        var secrets: [SecretInput] = []
        for object in try ManifestFile.objects(in: file, source: source, kind: "Secret") {
            secrets.append(try secret(object, source))
        }
        return secrets
    }

    private static func secret(_ node: Node, _ source: String) throws(InputError) -> SecretInput {
        let place = node.mark.location(in: source)
        guard let entries = node.entries else {
            throw InputError(place, "found \(node.typeName); a Secret manifest in YAML or JSON is expected")
        }
        guard let kind = node["kind"]?.string, let version = node["apiVersion"]?.string else {
            throw InputError(
                place, "kind or apiVersion is missing; kind: Secret, apiVersion: v1 are expected")
        }
        guard kind == "Secret", version == "v1" else {
            throw InputError(
                place,
                "found kind \(shown(kind)) of \(shown(version)); kind: Secret, apiVersion: v1 are expected")
        }
        for entry in entries where !fields.contains(entry.key) {
            throw InputError(
                entry.keyMark.location(in: source),
                "a Secret has no field \(shown(entry.key)); is it misspelt?")
        }
        var secret = SecretInput(name: "", source: place)
        try readMetadata(of: node, into: &secret, source)
        secret.type = try text(node["type"], "type", source)
        if let immutable = node["immutable"], !immutable.isNull {
            guard let value = immutable.bool else {
                throw mismatch(immutable, "immutable", "true or false", source)
            }
            secret.immutable = value
        }
        secret.entries = try readEntries(of: node, source)
        return secret
    }

    private static func readMetadata(
        of node: Node, into secret: inout SecretInput, _ source: String
    ) throws(InputError) {
        guard let metadata = node["metadata"], metadata.entries != nil,
            let name = try text(metadata["name"], "metadata.name", source), !name.isEmpty
        else {
            throw InputError(
                node.mark.location(in: source), "metadata.name is missing; give the Secret a name")
        }
        secret.name = name
        secret.namespace = try text(metadata["namespace"], "metadata.namespace", source)
        secret.labels = try pairs(metadata["labels"], "metadata.labels", source)
        secret.annotations = try pairs(metadata["annotations"], "metadata.annotations", source)
    }

    /// `stringData` wins over `data`, as in the API.
    private static func readEntries(of node: Node, _ source: String) throws(InputError) -> [SecretEntry] {
        var values: [String: SharedSecret] = [:]
        for entry in try mapping(node["data"], "data", source) {
            try checkEntry(entry, source)
            let text = try scalar(entry.value, "data.\(entry.key)", source)
            values[entry.key] = try decode(text, entry, source)
        }
        for entry in try mapping(node["stringData"], "stringData", source) {
            try checkEntry(entry, source)
            values[entry.key] = try scalar(entry.value, "stringData.\(entry.key)", source)
        }
        return values.sorted { $0.key < $1.key }.map { SecretEntry(name: $0.key, value: $0.value) }
    }

    private static func checkEntry(_ entry: Node.Entry, _ source: String) throws(InputError) {
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

    /// Line breaks inside are allowed, as in the API; nothing else is.
    private static func decode(
        _ text: SharedSecret, _ entry: Node.Entry, _ source: String
    ) throws(InputError) -> SharedSecret {
        var compact = SecretBuffer(capacity: text.count)
        text.bytes.withUnsafeBytes { bytes in
            for byte in bytes where byte != UInt8(ascii: "\n") && byte != UInt8(ascii: "\r") {
                compact.append(byte)
            }
        }
        do {
            return SharedSecret(
                try compact.withUnsafeBytes { bytes throws(Base64.DecodingError) in
                    try Base64.decodeSecret(bytes)
                })
        } catch {
            throw InputError(
                entry.value.mark.location(in: source),
                "data.\(entry.key) is not valid base64 (\(error.problem) at byte \(error.offset)); encode the "
                    + "value, or put it under stringData as it is")
        }
    }

    private static func mapping(
        _ node: Node?, _ field: String, _ source: String
    ) throws(InputError) -> [Node.Entry] {
        guard let node, !node.isNull else { return [] }
        guard let entries = node.entries else { throw mismatch(node, field, "a mapping", source) }
        return entries
    }

    private static func pairs(
        _ node: Node?, _ field: String, _ source: String
    ) throws(InputError) -> [String: String] {
        var pairs: [String: String] = [:]
        for entry in try mapping(node, field, source) {
            pairs[entry.key] = try text(entry.value, "\(field).\(entry.key)", source) ?? ""
        }
        return pairs
    }

    private static func text(
        _ node: Node?, _ field: String, _ source: String
    ) throws(InputError) -> String? {
        guard let node, !node.isNull else { return nil }
        guard let text = node.string else { throw mismatch(node, field, "a string", source) }
        return text
    }

    private static func scalar(
        _ node: Node, _ field: String, _ source: String
    ) throws(InputError) -> SharedSecret {
        guard let scalar = node.scalar, scalar.kind == .string else {
            throw mismatch(node, field, "a string", source)
        }
        return scalar.bytes
    }

    private static func mismatch(
        _ node: Node, _ field: String, _ expected: String, _ source: String
    ) -> InputError {
        let advice = expected == "a string" && node.scalar != nil ? "; put quotes around it" : ""
        return InputError(
            node.mark.location(in: source), "\(field) is \(node.typeName); \(expected) is expected\(advice)")
    }
}

/// A text as it can stand in a message.
func shown(_ text: String) -> String {
    "\"" + text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined() + "\""
}
