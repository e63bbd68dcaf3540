import Cryptography

/// An envelope without its ciphertexts: enough to plan the reconciliation of its Secret, and to recognize the ciphertexts when
/// they are read again.
package struct EnvelopeSummary: Sendable, Equatable {
    package let binding: Binding
    package let recipients: [Recipient]
    /// Sorted by their bytes.
    package let entryNames: [String]
    /// The size of all values together, in plaintext.
    package let plaintextByteCount: Int
    /// The first 20 bytes of SHA-256 over the binding, the recipients, the MAC and the ciphertexts: envelopes with equal digests
    /// are equal, because two with one digest of 160 bits cannot be found. Each object of a cache has one.
    package let digest: [UInt8]

    /// Summarizes `fields`, whether their ciphertexts are in memory or were dropped.
    ///
    /// - Throws: The errors of `Envelope.init(_:namespace:secretName:)`, which validates the base64 of the entries as well.
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

/// Replaces `EnvelopeFields.data` when the ciphertexts are dropped from memory. Entry names and lengths were validated; the
/// base64 is validated when the ciphertexts are read again.
package struct DroppedCiphertexts: Sendable, Equatable {
    /// Sorted by their bytes.
    package let entryNames: [String]
    package let plaintextByteCount: Int
    /// See `EnvelopeSummary.digest`.
    package let digest: [UInt8]
    /// The first violation of the format, if the envelope is invalid.
    package let problem: EnvelopeError?

    /// The ciphertexts of a valid envelope, as a cache has kept them.
    package init(entryNames: [String], plaintextByteCount: Int, digest: [UInt8]) {
        self.entryNames = entryNames
        self.plaintextByteCount = plaintextByteCount
        self.digest = digest
        problem = nil
    }

    init(_ fields: EnvelopeFields, namespace: String?, secretName: String) {
        var known: (names: [String], count: Int, digest: [UInt8]) = ([], 0, [])
        var problem: EnvelopeError?
        do throws(EnvelopeError) {
            _ = try Envelope.parseHeader(fields)
            known.names = fields.data.keys.sorted(by: Envelope.inByteOrder)
            for name in known.names {
                known.count += try Envelope.plaintextByteCount(of: fields.data[name] ?? "", entry: name)
            }
            known.digest = try Self.digest(fields, known.names, namespace, secretName)
        } catch {
            problem = error
        }
        (entryNames, plaintextByteCount, digest) = known
        self.problem = problem
    }

    private static func digest(
        _ fields: EnvelopeFields, _ names: [String], _ namespace: String?, _ secretName: String
    ) throws(EnvelopeError) -> [UInt8] {
        do throws(CryptoError) {
            var digest = try SHA256Digest()
            for part in [fields.format, fields.scope, namespace ?? "", secretName, fields.mac] {
                try digest.update(lengthAndText: part)
            }
            for recipient in fields.recipients {
                try digest.update(lengthAndText: recipient.keyID)
                try digest.update(lengthAndText: recipient.wrappedKey)
                try digest.update(lengthAndText: recipient.algorithm ?? "")
            }
            // No key id is empty.
            try digest.update(lengthAndText: "")
            for name in names {
                try digest.update(lengthAndText: name)
                try digest.update(lengthAndText: fields.data[name] ?? "")
            }
            return Array(try digest.finish().prefix(20))
        } catch {
            throw .crypto(error)
        }
    }
}

extension EnvelopeFields {
    /// Returns the fields without their ciphertexts, to save memory in the cache.
    package func droppingCiphertexts(namespace: String?, secretName: String) -> EnvelopeFields {
        guard droppedCiphertexts == nil else { return self }
        var fields = self
        fields.droppedCiphertexts = DroppedCiphertexts(self, namespace: namespace, secretName: secretName)
        fields.data = [:]
        return fields
    }
}
