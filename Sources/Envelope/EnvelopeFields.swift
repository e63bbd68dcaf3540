import Cryptography

/// An envelope as the fields of a WrappedSecret's spec, as text that was not validated.
package struct EnvelopeFields: Sendable, Equatable {
    package var format: String
    package var scope: String
    package var recipients: [Recipient]
    /// Base64 of 32 bytes.
    package var mac: String
    /// base64(nonce ‖ ciphertext ‖ tag) by entry name. Empty if the ciphertexts were dropped.
    package var data: [String: String]
    /// Set if the ciphertexts were dropped from memory: such fields can be validated and compared, and not opened.
    package var droppedCiphertexts: DroppedCiphertexts?

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
    /// Validates `fields` as the envelope of the Secret `secretName` in `namespace`.
    ///
    /// - Throws: `unsupportedFormat`, or `invalid` with the first invalid field.
    package init(_ fields: EnvelopeFields, namespace: String?, secretName: String) throws(EnvelopeError) {
        guard fields.droppedCiphertexts == nil else {
            throw .invalid(field: "spec.data", problem: "is not in memory; read the WrappedSecret again")
        }
        let (scope, mac) = try Self.parseHeader(fields)
        var entries: [Entry] = []
        for name in fields.data.keys.sorted(by: Self.inByteOrder) {
            let text = fields.data[name] ?? ""
            _ = try Self.plaintextByteCount(of: text, entry: name)
            entries.append(Entry(name: name, sealed: try Self.decode(text, field: "spec.data.\(name)")))
        }
        self.init(
            binding: try Binding(scope: scope, namespace: namespace, secretName: secretName),
            recipients: fields.recipients, mac: mac, entries: entries)
    }

    /// Validates everything except the entries.
    static func parseHeader(_ fields: EnvelopeFields) throws(EnvelopeError) -> (scope: Scope, mac: [UInt8]) {
        guard fields.format.utf8.elementsEqual(Self.format.utf8) else {
            throw .unsupportedFormat(fields.format)
        }
        guard let scope = Scope(rawValue: fields.scope) else {
            throw .invalid(
                field: "spec.scope",
                problem:
                    "is \(EnvelopeValidation.quoted(fields.scope)); strict, namespace or cluster is expected")
        }
        try EnvelopeValidation.check(recipients: fields.recipients)
        guard fields.data.count <= EnvelopeValidation.maximumEntries else {
            throw .invalid(
                field: "spec.data",
                problem: "has \(fields.data.count) entries; "
                    + "\(EnvelopeValidation.maximumEntries) at most are expected")
        }
        let mac = try Self.decode(fields.mac, field: "spec.mac")
        guard mac.count == EnvelopeValidation.macByteCount else {
            throw .invalid(
                field: "spec.mac",
                problem: "has \(mac.count) bytes; \(EnvelopeValidation.macByteCount) are expected")
        }
        return (scope, mac)
    }

    /// Validates the name of an entry and the length of its text. The text is not decoded, so that the time does not depend on
    /// its size.
    ///
    /// - Returns: The size of the value in plaintext.
    static func plaintextByteCount(of text: String, entry name: String) throws(EnvelopeError) -> Int {
        try EnvelopeValidation.check(entry: name)
        let bytes = text.utf8
        guard bytes.count.isMultiple(of: 4) else {
            throw .invalid(
                field: "spec.data.\(name)", problem: "is not canonical base64 (length at byte \(bytes.count))"
            )
        }
        let padding = bytes.suffix(2).count { $0 == UInt8(ascii: "=") }
        let count = bytes.count / 4 * 3 - padding
        guard count >= AES256GCM.overhead else {
            throw .invalid(
                field: "spec.data.\(name)",
                problem: "has \(count) bytes; nonce and tag alone are \(AES256GCM.overhead)")
        }
        return count - AES256GCM.overhead
    }

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
