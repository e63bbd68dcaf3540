import Primitives

/// An envelope as it stands in a WrappedSecret's spec: text, nothing checked.
package struct EnvelopeFields: Sendable, Equatable {
    package var format: String
    package var scope: String
    package var recipients: [Recipient]
    /// base64 of 32 bytes.
    package var mac: String
    /// Entry name to base64(nonce ‖ ciphertext ‖ tag). Empty when the ciphertexts were dropped.
    package var data: [String: String]
    /// Set when the ciphertexts were dropped from memory: such fields can be judged, and not opened.
    package var dropped: DroppedCiphertexts?

    package init(
        format: String, scope: String, recipients: [Recipient], mac: String, data: [String: String]
    ) {
        self.format = format
        self.scope = scope
        self.recipients = recipients
        self.mac = mac
        self.data = data
    }
}

extension Envelope {
    /// Checks `fields` as the envelope of the Secret `secretName` in `namespace`.
    ///
    /// Errors: `unsupportedFormat`, or `invalid` naming the first field that breaks a rule.
    package init(_ fields: EnvelopeFields, namespace: String?, secretName: String) throws(EnvelopeError) {
        guard fields.dropped == nil else {
            throw .invalid(field: "spec.data", problem: "is not in memory; read the WrappedSecret again")
        }
        guard fields.format.utf8.elementsEqual(Self.format.utf8) else {
            throw .unsupportedFormat(fields.format)
        }
        guard let scope = Scope(rawValue: fields.scope) else {
            throw .invalid(
                field: "spec.scope",
                problem: "is \(EnvelopeRules.shown(fields.scope)); strict, namespace or cluster is expected")
        }
        try EnvelopeRules.check(recipients: fields.recipients)
        guard fields.data.count <= EnvelopeRules.maximumEntries else {
            throw .invalid(
                field: "spec.data",
                problem: "has \(fields.data.count) entries; "
                    + "\(EnvelopeRules.maximumEntries) at most are expected")
        }
        let mac = try Self.decode(fields.mac, field: "spec.mac")
        guard mac.count == EnvelopeRules.macCount else {
            throw .invalid(
                field: "spec.mac", problem: "has \(mac.count) bytes; \(EnvelopeRules.macCount) are expected")
        }
        var entries: [Entry] = []
        for name in fields.data.keys.sorted(by: Self.inByteOrder) {
            try EnvelopeRules.check(entry: name)
            let sealed = try Self.decode(fields.data[name] ?? "", field: "spec.data.\(name)")
            guard sealed.count >= AES256GCM.overhead else {
                throw .invalid(
                    field: "spec.data.\(name)",
                    problem: "has \(sealed.count) bytes; nonce and tag alone are \(AES256GCM.overhead)")
            }
            entries.append(Entry(name: name, sealed: sealed))
        }
        self.init(
            binding: try Binding(scope: scope, namespace: namespace, secretName: secretName),
            recipients: fields.recipients, mac: mac, entries: entries)
    }

    /// The text form that goes into a spec.
    package var fields: EnvelopeFields {
        EnvelopeFields(
            format: Self.format, scope: binding.scope.rawValue, recipients: recipients,
            mac: Base64.encode(mac),
            data: Dictionary(
                entries.map { ($0.name, Base64.encode($0.sealed)) }, uniquingKeysWith: { first, _ in first }))
    }

    private static func decode(_ text: String, field: String) throws(EnvelopeError) -> [UInt8] {
        do {
            return try Base64.decode(text)
        } catch {
            throw .invalid(
                field: field,
                problem: "is not canonical base64 (\(error.problem) at byte \(error.offset))")
        }
    }
}
