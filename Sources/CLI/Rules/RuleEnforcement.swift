import Envelope
import KubeClient
import Resources

/// Compares a WrappedSecret with the rule for its file. It needs no key.
enum RuleEnforcement {
    /// Returns one line for each field that breaks the rule: the field, what the rule requires, and the remedy.
    ///
    /// - Parameter object: The WrappedSecret, with the namespace of the command or the rule if it has none itself.
    static func violations(of object: WrappedSecret, by rule: Rule) -> [String] {
        bindingViolations(
            of: object.spec.envelope.scope, namespace: object.metadata.namespace, by: rule)
            + recipientViolations(of: object.spec.envelope.recipients.map(\.keyID), by: rule)
            + keyRefViolations(of: object.spec.keyRef, by: rule)
            + labelViolations(of: object.spec.template?.metadata?.labels ?? [:], by: rule)
    }

    /// Checks scope and namespace, which only another wrap can change.
    static func bindingViolations(of scope: String, namespace: String?, by rule: Rule) -> [String] {
        var lines: [String] = []
        if let required = rule.namespace, let namespace, namespace != required {
            lines.append(
                "namespace is \(quoted(namespace)), and \(rule) requires \(required); wrap the values again for namespace "
                    + required)
        }
        if let required = rule.scope, scope != required.rawValue {
            lines.append(
                "spec.scope is \(quoted(scope)), and \(rule) requires \(required.rawValue); wrap the values again with "
                    + "scope \(required.rawValue)")
        }
        return lines
    }

    static func recipientViolations(of keyIDs: [String], by rule: Rule) -> [String] {
        guard let requirement = rule.recipients else { return [] }
        return requirement.missing(from: keyIDs).map {
            "spec.recipients lacks \($0), which \(rule) requires; configure the key and rewrap the file (secrets-bridge rewrap)"
        }
            + requirement.unlisted(keyIDs).map {
                "spec.recipients has \(quoted($0)), which \(rule) does not list; rewrap the file (secrets-bridge rewrap) to "
                    + "remove it, or list it in the rule"
            }
    }

    private static func keyRefViolations(of keyRef: WrappedSecretSpec.KeyRef?, by rule: Rule) -> [String] {
        guard let required = rule.keyRef, keyRef != required else { return [] }
        let found = keyRef.map { "is \(quoted($0.text))" } ?? "is missing"
        return [
            "spec.keyRef \(found), and \(rule) requires \(required.text); wrap the values again with --key-ref "
                + required.text
        ]
    }

    private static func labelViolations(of labels: [String: String], by rule: Rule) -> [String] {
        rule.labels.sorted { $0.key < $1.key }.filter { labels[$0.key] != $0.value }.map { key, value in
            let found = labels[key].map { "is \(quoted($0))" } ?? "is missing"
            return
                "spec.template.metadata.labels: \(key) \(found), and \(rule) requires \(quoted(value)); set it there"
        }
    }
}

extension WrappedSecretDocument {
    /// Returns the object with its own namespace, the given one, or that of the rule.
    ///
    /// - Throws: `InputError` if its own differs from the given one, or if the scope needs a namespace and there is none.
    func object(namespace given: String?, rule: Rule?) throws(InputError) -> WrappedSecret {
        try object(namespace: given ?? (object.metadata.namespace == nil ? rule?.namespace : nil))
    }
}
