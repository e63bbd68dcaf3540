import Cryptography

/// The plaintext of an envelope, and which key gave it.
package struct OpenedEnvelope: Sendable {
    /// In byte order of their names.
    package let entries: [SecretEntry]
    /// The recipient that served.
    package let keyID: String
    package let keyVersion: String?
}

extension Envelope {
    /// Unwraps the data key, checks the MAC over the set, then opens every value: all or nothing.
    ///
    /// Recipients that a key of `keys` accepts are tried in order until one gives 32 bytes under which the
    /// MAC verifies. When none does, a transient failure outranks a permanent one in what is thrown.
    ///
    /// - Parameter more: how many further envelopes the caller will open within moments; see `KeyManager`.
    package func open(
        with keys: KeyRing, followedBy more: Int = 0
    ) async throws(EnvelopeError) -> OpenedEnvelope {
        let (recipient, unwrapped) = try await unwrapDataKey(with: keys, recipients, followedBy: more)
        return OpenedEnvelope(
            entries: try openEntries(unwrapped.key), keyID: recipient.keyID, keyVersion: unwrapped.keyVersion)
    }

    /// The data key, under which the MAC verifies, and the recipient that gave it: proof that `recipients` open the
    /// envelope. No value is decrypted.
    package func unwrapDataKey(
        with keys: KeyRing, _ recipients: [Recipient], followedBy more: Int = 0
    ) async throws(EnvelopeError) -> (recipient: Recipient, key: UnwrappedKey) {
        var failure: EnvelopeError?
        for recipient in recipients {
            guard let manager = keys.keyManager(for: recipient) else { continue }
            do throws(EnvelopeError) {
                let unwrapped = try await unwrap(recipient, with: manager, followedBy: more)
                try verifyMAC(unwrapped.key, keyID: recipient.keyID)
                return (recipient, unwrapped)
            } catch {
                if case .keyManager(let cause) = error, cause.code == .cancelled { throw error }
                if let known = failure, known.rank >= error.rank { continue }
                failure = error
            }
        }
        throw failure
            ?? .noUsableRecipient(recipients: recipients.map(\.keyID), configured: keys.all.map(\.keyID))
    }

    private func unwrap(
        _ recipient: Recipient, with manager: any KeyManager, followedBy more: Int
    ) async throws(EnvelopeError) -> UnwrappedKey {
        do {
            return try await manager.unwrap(recipient, for: binding, followedBy: more)
        } catch {
            throw .keyManager(error)
        }
    }

    private func verifyMAC(_ dataKey: SharedSecret, keyID: String) throws(EnvelopeError) {
        guard dataKey.count == EnvelopeValidation.dataKeyByteCount else {
            throw .keyManager(
                KeyManagerError(
                    .invalidCiphertext, keyID: keyID,
                    message: "the wrapped key holds \(dataKey.count) bytes; a data key has 32"))
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
        guard matches else { throw .integrityFailed }
    }

    private func openEntries(_ dataKey: SharedSecret) throws(EnvelopeError) -> [SecretEntry] {
        var opened: [SecretEntry] = []
        for entry in entries {
            do {
                let value = try AES256GCM.open(
                    entry.sealed, key: dataKey.bytes,
                    associatedData: binding.associatedData(entry: entry.name))
                opened.append(SecretEntry(name: entry.name, value: SharedSecret(value)))
            } catch .authenticationFailed {
                throw .decryptFailed(entry: entry.name)
            } catch {
                throw .crypto(error)
            }
        }
        return opened
    }
}

extension EnvelopeError {
    /// What outranks what when several recipients fail: what may pass by itself goes first.
    fileprivate var rank: Int {
        switch self {
        case .keyManager(let error) where error.isTransient: 10 + error.reportingPriority
        case .crypto: 3
        case .integrityFailed: 2
        case .keyManager: 1
        default: 0
        }
    }
}
