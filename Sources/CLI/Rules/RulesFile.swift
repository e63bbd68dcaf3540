import Cryptography
import Envelope
import Resources
import System
import YAML

/// Reads a file of rules (docs/rules.md, schemas/rules.json). It is strict: a field that is unknown, empty or of another
/// type is an error with its place, because a rule that is misread protects nothing.
struct RulesFile {
    static let name = ".secrets-bridge.yaml"
    static let maximumBytes = 1 << 20
    static let maximumRules = 1000

    private static let version = 1
    private static let fields = ["path", "namespace", "scope", "recipients", "allowOtherRecipients", "keyRef", "labels"]

    private let source: String
    private let recipientFiles: RecipientFiles

    /// - Throws: `InputError` with the line and the column of the first problem.
    static func rules(
        in contents: borrowing SecretBytes, source: String, recipientFiles: RecipientFiles
    ) throws(InputError) -> RuleSet {
        let documents = try ManifestFile.documents(in: contents, source: source)
        guard let document = documents.first else {
            throw InputError(source, "is empty; it begins with version: \(version) and rules:")
        }
        if documents.count > 1 {
            throw InputError(
                documents[1].range.location(in: source), "is a second document; a rules file has one")
        }
        return RuleSet(
            try RulesFile(source: source, recipientFiles: recipientFiles).rules(in: document), source: source)
    }

    private func rules(in document: YAMLNode) throws(InputError) -> [Rule] {
        let fields = try fields(of: document, "a rules file", ["version", "rules"])
        guard let version = fields["version"] else {
            throw InputError(location(document), "version is missing; write version: \(Self.version)")
        }
        guard version.int == Self.version else {
            throw InputError(
                location(version), "version is not supported by this program; version: \(Self.version) is")
        }
        guard let list = fields["rules"] else {
            throw InputError(location(document), "rules is missing; write rules: [] if there are none")
        }
        let nodes = try elements(of: list, "rules")
        guard nodes.count <= Self.maximumRules else {
            throw InputError(
                location(list),
                "rules has \(nodes.count) items; at most \(Self.maximumRules) are allowed, so use wildcards")
        }
        var rules: [Rule] = []
        var known: [[PathPattern.Token]: Rule] = [:]
        for (index, node) in nodes.enumerated() {
            let rule = try rule(node, "rules[\(index)]")
            if let other = known.updateValue(rule, forKey: rule.pattern.tokens) {
                throw InputError(
                    location(node),
                    "rules[\(index)].path matches the same files as \(other); put the fields into one rule")
            }
            rules.append(rule)
        }
        return rules
    }

    private func rule(_ node: YAMLNode, _ field: String) throws(InputError) -> Rule {
        let fields = try fields(of: node, field, Self.fields)
        guard let path = fields["path"] else {
            throw InputError(location(node), "\(field).path is missing; a rule needs a pattern such as production/**")
        }
        var rule = Rule(try pattern(path, "\(field).path"), source: source, line: node.range.line)
        rule.namespace = try fields["namespace"].map { node throws(InputError) in
            try namespace(node, "\(field).namespace")
        }
        rule.scope = try fields["scope"].map { node throws(InputError) in try scope(node, "\(field).scope") }
        rule.keyRef = try fields["keyRef"].map { node throws(InputError) in try keyRef(node, "\(field).keyRef") }
        rule.labels = try fields["labels"].map { node throws(InputError) in try labels(node, "\(field).labels") } ?? [:]
        rule.recipients = try recipients(
            fields["recipients"], allowsOthers: fields["allowOtherRecipients"], field, of: rule)
        return rule
    }

    private func pattern(_ node: YAMLNode, _ field: String) throws(InputError) -> PathPattern {
        let text = try string(node, field)
        do throws(PathPattern.SyntaxError) {
            return try PathPattern(text)
        } catch {
            throw InputError(location(node), "\(field) \(error.problem)")
        }
    }

    private func namespace(_ node: YAMLNode, _ field: String) throws(InputError) -> String {
        let text = try string(node, field)
        guard EnvelopeValidation.isDNSLabel(text) else {
            throw InputError(
                location(node), "\(field) \(quoted(text)) is not a namespace name (1 to 63 of a-z 0-9 -)")
        }
        return text
    }

    private func scope(_ node: YAMLNode, _ field: String) throws(InputError) -> Scope {
        let text = try string(node, field)
        guard let scope = Scope(rawValue: text) else {
            throw InputError(
                location(node), "\(field) is \(quoted(text)); strict, namespace or cluster is expected")
        }
        return scope
    }

    private func keyRef(_ node: YAMLNode, _ field: String) throws(InputError) -> WrappedSecretSpec.KeyRef {
        let text = try string(node, field)
        guard let keyRef = WrappedSecretSpec.KeyRef(text: text) else {
            throw InputError(
                location(node), "\(field) \(quoted(text)) is not KeyProvider/NAME or ClusterKeyProvider/NAME")
        }
        return keyRef
    }

    private func labels(_ node: YAMLNode, _ field: String) throws(InputError) -> [String: String] {
        var labels: [String: String] = [:]
        for entry in try mapping(node, field) {
            guard !entry.isKeyCoerced else {
                throw InputError(
                    entry.keyRange.location(in: source),
                    "a key of \(field) is read as a number or a boolean; put quotes around it")
            }
            labels[entry.key] = try string(entry.value, "a label of \(field)")
            if ApplyToolMetadata.treatment(label: entry.key) != nil {
                throw InputError(
                    entry.keyRange.location(in: source),
                    "a template cannot set this label, which belongs to the controller or an apply tool; leave it out")
            }
        }
        do throws(SpecError) {
            try TemplateValidation.check(labels: labels)
        } catch {
            throw InputError(location(node), "\(field) cannot be set in a template: \(error.description)")
        }
        return labels
    }
}

// Recipients.
extension RulesFile {
    private func recipients(
        _ list: YAMLNode?, allowsOthers: YAMLNode?, _ rule: String, of owner: Rule
    ) throws(InputError) -> RecipientRequirement? {
        let field = "\(rule).recipients"
        guard let list else {
            if let allowsOthers {
                throw InputError(
                    location(allowsOthers),
                    "\(rule).allowOtherRecipients needs recipients; without them, any recipient is allowed")
            }
            return nil
        }
        let nodes = try elements(of: list, field)
        guard (1...EnvelopeValidation.maximumRecipients).contains(nodes.count) else {
            throw InputError(
                location(list),
                "\(field) has \(nodes.count) items; 1 to \(EnvelopeValidation.maximumRecipients) are expected; "
                    + "leave the field out if any recipient is allowed")
        }
        var keys: [KeySelector] = []
        for (index, node) in nodes.enumerated() {
            let key = try recipient(node, "\(field)[\(index)]")
            if let other = keys.firstIndex(where: { $0.overlaps(key) }) {
                throw InputError(
                    location(node),
                    "\(field)[\(index)] is already part of \(field)[\(other)]; list each key, or the backend, once")
            }
            keys.append(key)
        }
        let allows = try allowsOthers.map { node throws(InputError) in
            guard let value = node.bool else {
                throw ManifestFields.typeMismatch(node, "\(rule).allowOtherRecipients", "true or false", source)
            }
            return value
        }
        return RecipientRequirement(keys: keys, allowsOthers: allows ?? false)
    }

    private func recipient(_ node: YAMLNode, _ field: String) throws(InputError) -> KeySelector {
        let fields = try fields(of: node, field, ["file", "backend", "keyID"])
        if let file = fields["file"] {
            guard fields.count == 1 else {
                throw InputError(
                    location(node), "\(field) has file and other fields; the file names the backend and the key")
            }
            let path = try string(file, "\(field).file")
            return try recipientFiles.key(inFile: path, "\(field).file", location(file))
        }
        guard !fields.isEmpty else {
            throw InputError(location(node), "\(field) is empty; it needs file, backend or keyID")
        }
        let backend = try fields["backend"].map { node throws(InputError) in
            let text = try string(node, "\(field).backend")
            guard KeySelector.backends.contains(text) else {
                throw InputError(
                    location(node),
                    "\(field).backend is \(quoted(text)); one of \(KeySelector.backends.joined(separator: ", ")) is "
                        + "expected")
            }
            return text
        }
        guard let node = fields["keyID"] else {
            // `backend` is present, because the fields are not empty.
            return try KeySelector(backend ?? "")
        }
        let text = try string(node, "\(field).keyID")
        guard let key = KeySelector(backend: backend, keyID: text) else {
            throw InputError(
                location(node),
                "\(field).keyID \(quoted(text)) is not a key id\(backend.map { " of \($0)" } ?? ""); "
                    + "secrets-bridge status --by-key and inspect list key ids")
        }
        return key
    }
}

extension KeySelector {
    /// Selects one key.
    ///
    /// - Parameters:
    ///   - backend: The backend of the key, or nil if the id names it.
    ///   - keyID: The id, which may lack the prefix of the backend: `transit/prod`.
    /// - Returns: nil if it is not the id of a key of the backend.
    package init?(backend: String?, keyID: String) {
        let isWhole = backend == nil || KeyManagerRequest.backend(ofKeyID: keyID) == backend
        let text = isWhole ? keyID : "\(backend ?? ""):\(keyID)"
        guard text.utf8.count <= EnvelopeValidation.maximumKeyIDLength,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let key = try? KeySelector(text), !key.isBackend
        else { return nil }
        self = key
    }

    fileprivate func overlaps(_ other: KeySelector) -> Bool {
        description == other.description
            || (backend == other.backend && (isBackend || other.isBackend))
    }
}

// Typed nodes.
extension RulesFile {
    private func location(_ node: YAMLNode) -> String { node.range.location(in: source) }

    /// Returns the fields of a mapping, none of which is unknown or empty.
    private func fields(
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

    private func mapping(_ node: YAMLNode, _ field: String) throws(InputError) -> [YAMLNode.Entry] {
        guard let entries = node.entries else {
            throw ManifestFields.typeMismatch(node, field, "a mapping", source)
        }
        return entries
    }

    private func elements(of node: YAMLNode, _ field: String) throws(InputError) -> [YAMLNode] {
        guard let elements = node.elements else {
            throw ManifestFields.typeMismatch(node, field, "a list", source)
        }
        return elements
    }

    private func string(_ node: YAMLNode, _ field: String) throws(InputError) -> String {
        guard let text = try ManifestFields.string(node, field, source) else {
            throw InputError(location(node), "\(field) has no value; a string is expected")
        }
        return text
    }
}
