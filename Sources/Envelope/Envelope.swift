package import Cryptography

/// One entry of a Secret, in plaintext.
package struct SecretEntry: Sendable {
    package let name: String
    package let value: SharedSecret

    package init(name: String, value: SharedSecret) {
        self.name = name
        self.value = value
    }
}

/// An envelope of format v1 that passed every check that needs no key.
///
/// Values are encrypted with AES-256-GCM under a data key (DEK) that is used for this one set. A MAC under a key
/// derived from the same data key covers the set, so that no entry can be dropped, added or rolled back alone, and no
/// two data keys decrypt the same envelope (docs/envelope.md).
package struct Envelope: Sendable {
    package static let format = "v1"

    package struct Entry: Sendable {
        package let name: String
        /// nonce ‖ ciphertext ‖ tag
        package let sealed: [UInt8]
    }

    package let binding: Binding
    package let recipients: [Recipient]
    package let mac: [UInt8]
    /// Sorted by the bytes of their names.
    package let entries: [Entry]

    static func computeMAC(
        binding: Binding, entries: [Entry], dataKey: borrowing SecretBytes
    ) throws(CryptoError) -> SecretBytes {
        let macKey = try hmacSHA256(Array("secrets-bridge/v1 mac key".utf8), key: dataKey)
        return try hmacSHA256(macInput(binding: binding, entries: entries), key: macKey)
    }

    /// Returns the input of the MAC: the bytes of the binding, then `00 name 00 SHA-256(sealed)` for each entry.
    static func macInput(binding: Binding, entries: [Entry]) throws(CryptoError) -> [UInt8] {
        var input = binding.bytes
        for entry in entries {
            input.append(0)
            input.append(contentsOf: entry.name.utf8)
            input.append(0)
            input.append(contentsOf: try sha256(entry.sealed))
        }
        return input
    }

    /// Compares bytes. Swift's `String` orders by Unicode scalars of the normalized text instead.
    static func inByteOrder(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}

extension Envelope {
    /// Encrypts `entries` under a new data key.
    ///
    /// - Parameters:
    ///   - manager: Generates the data key and is the first recipient.
    ///   - others: Wrap the same data key, for further recipients.
    package static func seal(
        _ entries: [SecretEntry], binding: Binding, with manager: any KeyManager,
        recipients others: [any KeyManager] = []
    ) async throws(EnvelopeError) -> Envelope {
        try EnvelopeValidation.check(entries: entries.map(\.name))
        let (dataKey, recipients) = try await makeDataKey(for: binding, with: manager, recipients: others)
        do {
            return try seal(entries, binding: binding, dataKey: dataKey, recipients: recipients)
        } catch {
            throw .crypto(error)
        }
    }

    private static func makeDataKey(
        for binding: Binding, with manager: any KeyManager, recipients others: [any KeyManager]
    ) async throws(EnvelopeError) -> (SharedSecret, [Recipient]) {
        let dataKey: DataKey
        var recipients: [Recipient]
        do throws(KeyManagerError) {
            dataKey = try await manager.generateDataKey(for: binding)
            guard dataKey.key.count == EnvelopeValidation.dataKeyByteCount else {
                throw KeyManagerError(
                    .misconfigured, keyID: manager.keyID,
                    message: "the generated data key has \(dataKey.key.count) bytes; 32 are expected")
            }
            recipients = [dataKey.recipient]
            for other in others {
                recipients.append(try await other.wrap(dataKey.key, for: binding))
            }
        } catch {
            throw .keyManager(error)
        }
        // Readers reject an envelope with invalid recipients, so it must not be written.
        try EnvelopeValidation.check(recipients: recipients)
        return (dataKey.key, recipients)
    }

    private static func seal(
        _ entries: [SecretEntry], binding: Binding, dataKey: SharedSecret, recipients: [Recipient]
    ) throws(CryptoError) -> Envelope {
        var sealed: [Entry] = []
        for entry in entries.sorted(by: { inByteOrder($0.name, $1.name) }) {
            sealed.append(
                Entry(
                    name: entry.name,
                    sealed: try AES256GCM.seal(
                        entry.value.bytes, key: dataKey.bytes,
                        associatedData: binding.associatedData(entry: entry.name))))
        }
        let mac = try computeMAC(binding: binding, entries: sealed, dataKey: dataKey.bytes)
        return Envelope(
            binding: binding, recipients: recipients, mac: mac.withUnsafeBytes { Array($0) }, entries: sealed)
    }
}
