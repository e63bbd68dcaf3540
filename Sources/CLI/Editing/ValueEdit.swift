package import Cryptography
package import Envelope
import KubeClient
import Resources
import System
import YAML

/// Replaces the values of a WrappedSecret in a file under a new data key, because users who must not see the new values
/// may know the old data key. Only `data`, `mac` and the wrapped keys change in the file.
package struct ValueEdit: Sendable {
    private let opened: OpenedDocument
    private let keys: KeyRing
    private let recipientKeys: [RecipientKey]

    /// - Parameter recipientKeys: Wrap for the recipients with their key ids, whose keys need not be configured.
    package init(_ opened: OpenedDocument, with keys: KeyRing, recipientKeys: [RecipientKey] = []) {
        self.opened = opened
        self.keys = keys
        self.recipientKeys = recipientKeys
    }

    /// Replaces the values and writes the file, unless nothing changes.
    ///
    /// - Returns: The entries that changed.
    /// - Throws: `InputError` if a recipient's key is not configured, the KMS refuses, or the file cannot be edited.
    ///   The file is unchanged then.
    package func replaceValues(with entries: [SecretEntry]) async throws(InputError) -> ValueDifference {
        let difference = ValueDifference(from: opened.entries, to: entries)
        guard !difference.isEmpty else { return difference }
        let managers = try managers()
        let envelope: Envelope
        do {
            try SecretLimits.check(plaintextByteCount: entries.reduce(0) { $0 + $1.value.count })
            try SecretValidation.check(type: opened.desiredSecret.type, entries)
            envelope = try await Envelope.seal(
                entries, binding: opened.desiredSecret.envelope.binding, with: managers[0],
                recipients: Array(managers.dropFirst()))
        } catch {
            throw InputError(opened.location, "\(error)")
        }
        try write(envelope.fields, difference)
        return difference
    }

    /// Returns the keys to wrap for in the order of the recipients: for each, the key that wraps for its backend now. A
    /// key that only the WrappedSecret names is never among them.
    private func managers() throws(InputError) -> [any KeyManager] {
        var managers: [any KeyManager] = []
        let recipients = opened.desiredSecret.envelope.recipients
        for key in recipientKeys
        where !recipients.contains(where: { $0.keyID.utf8.elementsEqual(key.keyID.utf8) }) {
            throw InputError(
                opened.location,
                "\(quoted(key.keyID)) is the key of a recipient file but not a recipient; add it first: secrets-bridge rewrap "
                    + "--recipient FILE \(opened.file.path.shellQuoted)")
        }
        for recipient in recipients {
            if let key = recipientKeys.first(where: { $0.keyID.utf8.elementsEqual(recipient.keyID.utf8) }) {
                managers.append(RecipientKeyManager(key))
                continue
            }
            guard let index = keys.keyIndex(for: recipient).map(keys.wrappingKeyIndex) else {
                throw InputError(
                    opened.location,
                    "\(quoted(recipient.keyID)) is a recipient but not a configured key, so it could not decrypt the "
                        + "new values; configure it as well (SB_KMS_BACKEND takes a list), "
                        + (recipient.usesPublicKey ? "give its recipient file (--recipient), " : "")
                        + "or remove the recipient first: secrets-bridge rewrap --remove-recipient \(recipient.keyID.shellQuoted) "
                        + opened.file.path.shellQuoted
                )
            }
            let manager = keys.all[index]
            if !managers.contains(where: { $0.keyID == manager.keyID }) { managers.append(manager) }
        }
        return managers
    }

    private func write(_ new: EnvelopeFields, _ difference: ValueDifference) throws(InputError) {
        let document = opened.file.documents[opened.index]
        let old = opened.desiredSecret.envelope.recipients
        let change = RecipientChange(
            old: old, replacements: old.indices.map { $0 < new.recipients.count ? new.recipients[$0] : nil },
            added: [])
        try opened.file.applyEdits { editor throws(SourceEditError) in
            try RecipientEdit.apply(change, to: document, with: &editor)
            guard let spec = document.node["spec"] else { return }
            if let mac = spec["mac"] { try editor.replace(mac, with: new.mac) }
            try Self.changeData(of: spec, new, difference, with: &editor)
        }
    }

    private static func changeData(
        of spec: YAMLNode, _ new: EnvelopeFields, _ difference: ValueDifference,
        with editor: inout SourceEditor
    ) throws(SourceEditError) {
        let entries = spec["data"]?.entries ?? []
        guard let data = spec["data"], !entries.isEmpty, !new.data.isEmpty else {
            // A WrappedSecret without entries has no `data`.
            let fields = new.data.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            try editor.change(
                pairsOf: spec, removing: ["data"],
                appending: fields.isEmpty ? [] : [("data", .mapping(fields))])
            return
        }
        for entry in entries {
            if let value = new.data[entry.key] { try editor.replace(entry.value, with: value) }
        }
        guard !difference.added.isEmpty || !difference.removed.isEmpty else { return }
        try editor.change(
            pairsOf: data, removing: Set(difference.removed),
            appending: difference.added.map { ($0, .string(new.data[$0] ?? "")) })
    }
}

/// A WrappedSecret of a file with its decrypted values.
package struct OpenedDocument: Sendable {
    let file: WrappedSecretFile
    /// The index in `file.documents`.
    let index: Int
    let desiredSecret: DesiredSecret
    package let namespace: String?
    /// The entries in byte order of their names.
    package let entries: [SecretEntry]

    /// Decrypts the WrappedSecret with this name and namespace.
    ///
    /// - Throws: `InputError` if it cannot be found, read or decrypted.
    package init(
        _ file: WrappedSecretFile, named name: String?, namespace: String?, with keys: KeyRing
    ) async throws(InputError) {
        try await self.init(
            file, at: try file.index(named: name, namespace: namespace), namespace: namespace, with: keys)
    }

    /// Decrypts the WrappedSecret at an index of `file.documents`.
    init(
        _ file: WrappedSecretFile, at index: Int, namespace: String?, with keys: KeyRing
    ) async throws(InputError) {
        self.file = file
        self.index = index
        let document = file.documents[index]
        let object = try document.object(namespace: namespace)
        self.namespace = object.metadata.namespace
        do {
            desiredSecret = try DesiredSecret(object)
            entries = try await object.sealedEnvelope().open(with: keys).entries
        } catch {
            throw InputError(document.location, "\(error)")
        }
    }

    package var name: String { file.documents[index].object.metadata.name }
    package var secretName: String { desiredSecret.name }
    var location: String { file.documents[index].location }
}

/// Generates values for passwords and tokens from letters and digits, which need no quotes in configuration files.
package enum RandomValue {
    package static let allowedLengths = 16...1024

    /// Returns a random value with about 5.95 bits of entropy a character.
    ///
    /// - Throws: `CryptoError` if the system's random generator fails.
    package static func make(length: Int) throws(CryptoError) -> SharedSecret {
        var value = SecretBuffer(capacity: length)
        while value.count < length {
            let random = try SecretBytes.random(count: length * 2)
            random.withUnsafeBytes { bytes in
                // Bytes beyond a multiple of the alphabet's length are discarded, so that all characters are equally
                // likely.
                for byte in bytes where Int(byte) < alphabet.count * 4 && value.count < length {
                    value.append(alphabet[Int(byte) % alphabet.count])
                }
            }
        }
        return SharedSecret(value.finish())
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
}
