import Resources

/// Properties of Secrets that options of the command line set, beside those that a manifest has.
package struct SecretOverrides: Sendable {
    package var labels: [String: String] = [:]
    package var annotations: [String: String] = [:]
    /// The name of the Secret; the WrappedSecret keeps its own.
    package var secretName: String?
    package var creationPolicy: String?
    package var isImmutable = false

    package init() {}

    /// Returns the pairs of `KEY=VALUE` arguments.
    ///
    /// - Throws: `InputError` if one has no `=`, or a key is given twice.
    package static func pairs(_ arguments: [String], option: String) throws(InputError) -> [String: String] {
        var pairs: [String: String] = [:]
        for argument in arguments {
            let bytes = argument.utf8
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > bytes.startIndex else {
                throw InputError("\(option): KEY=VALUE is expected", isUsage: true)
            }
            let key = String(argument[..<equals])
            guard pairs.updateValue(String(argument[bytes.index(after: equals)...]), forKey: key) == nil
            else {
                throw InputError("\(option): \(quoted(key)) is given twice", isUsage: true)
            }
        }
        return pairs
    }

    /// Returns the Secrets with these properties, which take precedence over their own.
    ///
    /// - Throws: `InputError` if several Secrets would get one name.
    package func applied(to secrets: [SecretInput]) throws(InputError) -> [SecretInput] {
        if secretName != nil, secrets.count > 1 {
            throw InputError(
                "--secret-name names one Secret, and \(secrets.count) are given; wrap them one by one",
                isUsage: true)
        }
        return secrets.map { secret in
            var secret = secret
            secret.labels.merge(labels) { $1 }
            secret.annotations.merge(annotations) { $1 }
            // A name that equals that of the WrappedSecret is the default.
            if let secretName, secretName != secret.name { secret.secretName = secretName }
            if let creationPolicy { secret.creationPolicy = creationPolicy }
            if isImmutable { secret.isImmutable = true }
            return secret
        }
    }
}

extension SecretInput {
    /// - Throws: `SpecError` if the policy cannot be combined with the template. The CRD has the same rule.
    func checkCreationPolicy() throws(SpecError) {
        guard creationPolicy == "Merge", effectiveType != "Opaque" || isImmutable else { return }
        throw SpecError(
            .invalidSpec,
            "spec.creationPolicy Merge cannot be combined with a type or immutable: another owner creates the Secret; leave "
                + "out --type and --immutable, or choose Owner")
    }
}
