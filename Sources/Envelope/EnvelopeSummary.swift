import Cryptography

/// What is known of an envelope whose ciphertexts are not in memory: enough to decide what has to happen to its Secret,
/// and to recognize the ciphertexts when they are read again.
package struct EnvelopeSummary: Sendable, Equatable {
    package let binding: Binding
    package let recipients: [Recipient]
    /// In byte order.
    package let entryNames: [String]
    /// Bytes of all values together, in the clear.
    package let plaintextByteCount: Int
    /// SHA-256 over the place, the recipients, the MAC and the ciphertexts: two envelopes with the same digest are the same.
    package let digest: [UInt8]

    /// Summarizes `fields`, whether their ciphertexts are in memory or were dropped.
    ///
    /// Errors: as `Envelope.init(_:namespace:secretName:)`, which checks the texts of the entries as well.
    package init(_ fields: EnvelopeFields, namespace: String?, secretName: String) throws(EnvelopeError) {
        let contents =
            fields.droppedCiphertexts
            ?? DroppedCiphertexts(fields, namespace: namespace, secretName: secretName)
        if let problem = contents.problem { throw problem }
        guard let scope = Scope(rawValue: fields.scope) else {
            throw .invalid(field: "spec.scope", problem: "is not strict, namespace or cluster")
        }
        binding = try Binding(scope: scope, namespace: namespace, secretName: secretName)
        recipients = fields.recipients
        entryNames = contents.entryNames
        plaintextByteCount = contents.plaintextByteCount
        digest = contents.digest
    }
}

/// Stands for `EnvelopeFields.data` when the ciphertexts are dropped. Their names and lengths were checked; that they are
/// base64 is checked when they are opened.
package struct DroppedCiphertexts: Sendable, Equatable {
    /// In byte order. Settable so that caches can share equal lists.
    package var entryNames: [String]
    package let plaintextByteCount: Int
    /// See `EnvelopeSummary.digest`.
    package let digest: [UInt8]
    /// The rule of the format that the envelope breaks.
    package let problem: EnvelopeError?

    init(_ fields: EnvelopeFields, namespace: String?, secretName: String) {
        var known: (names: [String], count: Int, digest: [UInt8]) = ([], 0, [])
        var problem: EnvelopeError?
        do throws(EnvelopeError) {
            _ = try Envelope.parseHeader(fields)
            known.names = fields.data.keys.sorted(by: Envelope.inByteOrder)
            for name in known.names {
                known.count += try Envelope.plaintextByteCount(of: fields.data[name] ?? "", entry: name)
            }
            known.digest = try Self.digest(fields, namespace, secretName)
        } catch {
            problem = error
        }
        (entryNames, plaintextByteCount, digest) = known
        self.problem = problem
    }

    private static func digest(
        _ fields: EnvelopeFields, _ namespace: String?, _ secretName: String
    ) throws(EnvelopeError) -> [UInt8] {
        // A length precedes each text, so that no two envelopes give the same bytes.
        var bytes: [UInt8] = []
        func add(_ part: String) {
            bytes += Array("\(part.utf8.count):".utf8)
            bytes += Array(part.utf8)
        }
        for part in [fields.format, fields.scope, namespace ?? "", secretName, fields.mac] { add(part) }
        for recipient in fields.recipients {
            add(recipient.keyID)
            add(recipient.wrappedKey)
        }
        add("")
        do throws(CryptoError) {
            for (name, value) in fields.data.sorted(by: { Envelope.inByteOrder($0.key, $1.key) }) {
                add(name)
                bytes += try sha256(Array(value.utf8))
            }
            return try sha256(bytes)
        } catch {
            throw .crypto(error)
        }
    }
}

extension EnvelopeFields {
    /// The same fields without their ciphertexts, which a cache of tens of thousands does not keep.
    package func droppingCiphertexts(namespace: String?, secretName: String) -> EnvelopeFields {
        guard droppedCiphertexts == nil else { return self }
        var fields = self
        fields.droppedCiphertexts = DroppedCiphertexts(self, namespace: namespace, secretName: secretName)
        fields.data = [:]
        return fields
    }
}
