import Cryptography
import Envelope
package import JSON
import KubeClient
import Resources

/// The content of a WrappedSecret in a file that is readable without a key.
package struct Inspection: Sendable {
    private let location: String
    private let object: WrappedSecret
    private let envelope: Envelope
    private let rule: RuleBook.Lookup
    /// The keys that templates render.
    private let templates: [String]

    /// - Parameter rule: The rule for the file.
    package init(
        _ document: WrappedSecretDocument, namespace: String?, rule: RuleBook.Lookup = .noRulesFile
    ) throws(InputError) {
        let object = try document.object(namespace: namespace, rule: rule.rule)
        self.rule = rule
        do throws(SpecError) {
            templates = try DesiredSecret(object).templates.keys
            envelope = try object.sealedEnvelope()
        } catch {
            throw InputError(document.location, error.description)
        }
        location = document.location
        self.object = object
    }

    /// Returns the inspections of all WrappedSecrets, and each of the problems once: those of a rule are the same for all
    /// WrappedSecrets of a file.
    ///
    /// - Parameter rule: Returns the rule for the file at a path.
    package static func all(
        in files: [WrappedSecretFile], namespace: String?,
        rule: (String?) throws(InputError) -> RuleBook.Lookup
    ) -> (inspections: [Inspection], problems: [InputError]) {
        var inspections: [Inspection] = []
        var problems: [InputError] = []
        var known: Set<InputError> = []
        for file in files {
            for document in file.documents {
                do throws(InputError) {
                    inspections.append(
                        try Inspection(document, namespace: namespace, rule: try rule(file.rulePath)))
                } catch {
                    if known.insert(error).inserted { problems.append(error) }
                }
            }
        }
        return (inspections, problems)
    }

    /// The inspection as lines. Sizes are those of the plaintext.
    package var lines: [String] {
        let namespace = object.metadata.namespace.map { "\($0)/" } ?? ""
        var table = TextTable(["  WrappedSecret", "\(namespace)\(object.metadata.name)"])
        func add(_ title: String, _ lines: [String]) {
            for (index, line) in lines.enumerated() { table.add([index == 0 ? "  \(title)" : "", line]) }
        }
        add("Secret", ["\(object.secretName), type \(object.spec.template?.type ?? "Opaque")"])
        add("format", ["\(object.spec.envelope.format), scope \(envelope.binding.scope.rawValue)"])
        if isSuspended { add("suspended", ["yes: the controller does not change the Secret"]) }
        add("recipients", envelope.recipients.map(\.fullDescription))
        add(
            "entries",
            envelope.entries.isEmpty
                ? ["none"] : entries.map { "\($0.name), \(pluralized($0.count, "byte"))" })
        switch rule {
        case .noRulesFile: break
        case .noRule(let source): add("rule", ["none: no rule of \(source) matches"])
        case .rule(let rule): add("rule", ["\(rule.source):\(rule.line), path \(rule.pattern)"])
        }
        if !templates.isEmpty { add("templates", templates) }
        return [location] + table.lines
    }

    package var value: JSONValue {
        var fields: [(key: String, value: JSONValue)] = [("place", .string(location))]
        if let namespace = object.metadata.namespace { fields.append(("namespace", .string(namespace))) }
        fields += [
            ("name", .string(object.metadata.name)), ("secretName", .string(object.secretName)),
            ("type", .string(object.spec.template?.type ?? "Opaque")),
            ("format", .string(object.spec.envelope.format)),
            ("scope", .string(envelope.binding.scope.rawValue)),
            ("suspended", .bool(isSuspended)),
            (
                "recipients",
                .array(
                    envelope.recipients.map {
                        .object(keyFields($0.keyID, version: $0.keyVersion, algorithm: $0.algorithm))
                    })
            ),
            (
                "entries",
                .array(entries.map { ["name": .string($0.name), "bytes": .int($0.count)] })
            ),
        ]
        if let rule = rule.rule {
            fields.append(
                (
                    "rule",
                    [
                        "file": .string(rule.source), "line": .int(rule.line),
                        "path": .string(rule.pattern.description),
                    ]
                ))
        }
        if !templates.isEmpty { fields.append(("templates", .array(templates.map { .string($0) }))) }
        return .object(fields)
    }

    private var isSuspended: Bool { object.spec.suspend == true }

    private var entries: [(name: String, count: Int)] {
        envelope.entries.map { ($0.name, $0.sealed.count - AES256GCM.overhead) }
    }
}
