import Cryptography

/// The plaintext of an envelope and the recipient whose data key decrypted it.
package struct OpenedEnvelope: Sendable {
    /// Sorted by the bytes of their names.
    package let entries: [SecretEntry]
    package let keyID: String
    package let keyVersion: String?
}

/// An attempt to unwrap the data key of an envelope with the key of one recipient.
package struct UnwrapAttempt: Sendable {
    package let recipient: Recipient
    /// The number of attempts before this one.
    package let ordinal: Int
    /// Why the recipient gave no data key for which the MAC verifies. Nil if it did.
    package let failure: EnvelopeError?
}

extension Envelope {
    /// Unwraps the data key, verifies the MAC, then decrypts every value. Returns all values or none.
    ///
    /// - Parameter attempted: Called after each attempt with one recipient.
    /// - Throws: What `unwrapDataKey` throws, and `decryptFailed` or `crypto` if a value cannot be decrypted.
    package func open(
        with keys: KeyRing, attempted: (UnwrapAttempt) -> Void = { _ in }
    ) async throws(EnvelopeError) -> OpenedEnvelope {
        let (recipient, unwrapped) = try await unwrapDataKey(with: keys, recipients, attempted: attempted)
        return OpenedEnvelope(
            entries: try openEntries(unwrapped.key, keyID: recipient.keyID), keyID: recipient.keyID,
            keyVersion: unwrapped.keyVersion)
    }

    /// Returns a data key under which the MAC verifies, and the recipient that it came from. This proves that this
    /// recipient can decrypt the envelope, without decrypting a value.
    ///
    /// The recipients that a key of `keys` accepts are tried in order until one gives such a data key.
    ///
    /// - Parameter attempted: Called after each attempt with one recipient.
    /// - Throws: `noUsableRecipient`, a cancellation at once, or one recipient's failure, a transient one before a
    ///   permanent one.
    package func unwrapDataKey(
        with keys: KeyRing, _ recipients: [Recipient], attempted: (UnwrapAttempt) -> Void = { _ in }
    ) async throws(EnvelopeError) -> (recipient: Recipient, key: UnwrappedKey) {
        var failure: EnvelopeError?
        var count = 0
        for recipient in recipients {
            guard let manager = keys.keyManager(for: recipient) else { continue }
            defer { count += 1 }
            do throws(EnvelopeError) {
                let unwrapped = try await unwrap(recipient, with: manager)
                try verifyMAC(unwrapped.key, keyID: recipient.keyID)
                attempted(UnwrapAttempt(recipient: recipient, ordinal: count, failure: nil))
                return (recipient, unwrapped)
            } catch {
                attempted(UnwrapAttempt(recipient: recipient, ordinal: count, failure: error))
                if case .keyManager(let cause) = error, cause.code == .cancelled { throw error }
                if let known = failure, known.reportingPriority >= error.reportingPriority { continue }
                failure = error
            }
        }
        throw failure
            ?? .noUsableRecipient(recipients: recipients.map(\.keyID), configured: keys.all.map(\.keyID))
    }

    private func unwrap(
        _ recipient: Recipient, with manager: any KeyManager
    ) async throws(EnvelopeError) -> UnwrappedKey {
        do {
            return try await manager.unwrap(recipient, for: binding)
        } catch {
            throw .keyManager(error)
        }
    }

    private func verifyMAC(_ dataKey: SharedSecret, keyID: String) throws(EnvelopeError) {
        guard dataKey.count == EnvelopeValidation.dataKeyByteCount else {
            throw .keyManager(
                KeyManagerError(
                    .invalidCiphertext, keyID: keyID,
                    message: "the unwrapped key has \(dataKey.count) bytes; a data key has 32"))
        }
        let expected: SecretBytes
        do {
            expected = try Self.computeMAC(binding: binding, entries: entries, dataKey: dataKey.bytes)
        } catch {
            throw .crypto(error)
        }
        let matches = expected.withUnsafeBytes { expected in
            mac.withBytes { constantTimeEquals(expected, $0) }
        }
        guard matches else { throw .integrityFailed(keyID: keyID) }
    }

    private func openEntries(
        _ dataKey: SharedSecret, keyID: String
    ) throws(EnvelopeError) -> [SecretEntry] {
        var opened: [SecretEntry] = []
        for entry in entries {
            do {
                let value = try AES256GCM.open(
                    entry.sealed, key: dataKey.bytes,
                    associatedData: binding.associatedData(entry: entry.name))
                opened.append(SecretEntry(name: entry.name, value: SharedSecret(value)))
            } catch .authenticationFailed {
                throw .decryptFailed(entry: entry.name, keyID: keyID)
            } catch {
                throw .crypto(error)
            }
        }
        return opened
    }
}

extension EnvelopeError {
    /// Ranks the failures of several recipients: the highest rank is reported. Transient failures rank above all
    /// others.
    fileprivate var reportingPriority: Int {
        switch self {
        case .keyManager(let error) where error.isTransient: 10 + error.reportingPriority
        case .crypto: 3
        case .integrityFailed: 2
        case .keyManager: 1
        default: 0
        }
    }
}
