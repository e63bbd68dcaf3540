package import Cryptography

/// One entry of a Secret, in the clear.
package struct SecretEntry: Sendable {
    package let name: String
    package let value: SharedSecret

    package init(name: String, value: SharedSecret) {
        self.name = name
        self.value = value
    }
}

extension Envelope {
    /// Encrypts `entries` under a fresh data key of `manager`. The data key is wrapped for `others` too, and
    /// forgotten when this returns: it never encrypts again.
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
                    message: "made a data key of \(dataKey.key.count) bytes; 32 are expected")
            }
            recipients = [dataKey.recipient]
            for other in others {
                recipients.append(try await other.wrap(dataKey.key, for: binding))
            }
        } catch {
            throw .keyManager(error)
        }
        // What a reader would refuse is not written.
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
