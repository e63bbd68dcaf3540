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
    private static let fields = [
        "path", "namespace", "scope", "recipients", "allowOtherRecipients", "keyRef", "labels",
    ]

    let source: String
    let recipientFiles: RecipientFiles

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
            throw InputError(
                location(node), "\(field).path is missing; a rule needs a pattern such as production/**")
        }
        var rule = Rule(try pattern(path, "\(field).path"), source: source, line: node.range.line)
        rule.namespace = try fields["namespace"].map { node throws(InputError) in
            try namespace(node, "\(field).namespace")
        }
        rule.scope = try fields["scope"].map { node throws(InputError) in try scope(node, "\(field).scope") }
        rule.keyRef = try fields["keyRef"].map { node throws(InputError) in
            try keyRef(node, "\(field).keyRef")
        }
        rule.labels =
            try fields["labels"].map { node throws(InputError) in try labels(node, "\(field).labels") } ?? [:]
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
                    "a template cannot set this label, which belongs to the controller or an apply tool; leave it out"
                )
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
