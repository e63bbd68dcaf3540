package import Cryptography
package import Envelope
import KubeClient
import Resources
import System
import YAML

/// Replaces the values of a WrappedSecret in a file under a new data key, because users who must not see the new values
/// may know the old data key. Only `data`, `mac` and the wrapped keys change in the file, and the recipients if a rule
/// requires others.
package struct ValueEdit: Sendable {
    private let opened: OpenedDocument
    private let keys: KeyRing
    private let recipientKeys: [RecipientKey]
    /// Those of the caller and of the rule.
    private let fileKeys: [RecipientKey]
    private let rule: Rule?
    private let note: @Sendable (String) -> Void

    /// - Parameters:
    ///   - recipientKeys: Wrap for the recipients with their key ids, whose keys need not be configured.
    ///   - rule: The rule for the file, whose recipients the new data key is wrapped for.
    ///   - note: Gets a line if the rule changes recipients.
    package init(
        _ opened: OpenedDocument, with keys: KeyRing, recipientKeys: [RecipientKey] = [], rule: Rule? = nil,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.note = note
        self.opened = opened
        self.keys = keys.adding(rule?.recipients?.fileKeys ?? [])
        self.recipientKeys = recipientKeys
        self.rule = rule
        fileKeys = recipientKeys + (rule?.recipients?.fileKeys ?? [])
    }

    /// Replaces the values and writes the file, unless nothing changes.
    ///
    /// - Returns: The entries that changed.
    /// - Throws: `InputError` if a recipient's key is not configured, the KMS refuses, or the file cannot be edited.
    ///   The file is unchanged then.
    package func replaceValues(with entries: [SecretEntry]) async throws(InputError) -> ValueDifference {
        let difference = ValueDifference(from: opened.entries, to: entries)
        guard !difference.isEmpty else { return difference }
        do {
            try SecretLimits.check(plaintextByteCount: entries.reduce(0) { $0 + $1.value.count })
            let desired = opened.desiredSecret
            try desired.templates.check(entries: entries.map(\.name))
            try SecretValidation.check(
                type: desired.type, try desired.templates.rendered(with: entries))
        } catch {
            throw InputError(opened.location, "\(error)")
        }
        let envelope = try await seal(entries, for: opened.desiredSecret.envelope.binding)
        try opened.file.applyEdits { editor throws(SourceEditError) in
            try replaceEnvelope(with: envelope.fields, in: &editor)
        }
        noteChangedRecipients(envelope)
        return difference
    }

    /// Seals values under a new data key, for the recipients of the WrappedSecret or those of the rule.
    ///
    /// - Throws: `InputError` if a recipient's key is not configured, the KMS refuses, or the recipients break the rule.
    func seal(_ entries: [SecretEntry], for binding: Binding) async throws(InputError) -> Envelope {
        try await keys.resolveKeyIDs(for: rule)
        let managers = try managers()
        let envelope: Envelope
        do {
            envelope = try await Envelope.seal(
                entries, binding: binding, with: managers[0], recipients: Array(managers.dropFirst()))
        } catch {
            throw InputError(opened.location, "\(error)")
        }
        if let rule,
            let violation = RuleEnforcement.recipientViolations(
                of: envelope.recipients.map(\.keyID), by: rule
            ).first
        {
            throw InputError(opened.location, violation)
        }
        return envelope
    }

    /// Notes the recipients that the rule added and removed.
    func noteChangedRecipients(_ envelope: Envelope) {
        guard let rule else { return }
        let new = envelope.recipients.map(\.keyID)
        let old = opened.desiredSecret.envelope.recipients.map(\.keyID)
        let changes =
            new.filter { !old.contains($0) }.map { "+ \($0)" }
            + old.filter { !new.contains($0) }.map { "- \($0)" }
        guard rule.recipients != nil, !changes.isEmpty else { return }
        note("\(opened.file.path): recipients follow \(rule): \(changes.joined(separator: ", "))")
    }

    /// Returns the keys to wrap for in the order of the recipients: for each, the key that wraps for its backend now. A
    /// key that only the WrappedSecret names is never among them. With a rule, recipients that it does not allow are left
    /// out, and those that it requires are added.
    private func managers() throws(InputError) -> [any KeyManager] {
        var managers: [any KeyManager] = []
        // Several recipients of a backend have the same key that wraps now.
        func add(_ manager: any KeyManager) {
            let isNew = !managers.contains { $0.keyID.utf8.elementsEqual(manager.keyID.utf8) }
            if isNew { managers.append(manager) }
        }
        let recipients = opened.desiredSecret.envelope.recipients
        for key in recipientKeys
        where !recipients.contains(where: { $0.keyID.utf8.elementsEqual(key.keyID.utf8) }) {
            throw InputError(
                opened.location,
                "\(quoted(key.keyID)) is the key of a recipient file but not a recipient; add it first: secrets-bridge rewrap "
                    + "--recipient FILE \(opened.file.path.shellQuotedPath)")
        }
        let unlisted = rule?.recipients?.unlisted(recipients.map(\.keyID)) ?? []
        for recipient in recipients where !unlisted.contains(recipient.keyID) {
            if let key = fileKeys.first(where: { $0.keyID.utf8.elementsEqual(recipient.keyID.utf8) }) {
                add(RecipientKeyManager(key))
                continue
            }
            guard let index = keys.keyIndex(for: recipient).map(keys.wrappingKeyIndex) else {
                throw InputError(
                    opened.location,
                    "\(quoted(recipient.keyID)) is a recipient but not a configured key, so it could not decrypt the "
                        + "new values; configure it as well (SB_KMS_BACKEND takes a list), "
                        + (recipient.usesPublicKey ? "give its recipient file (--recipient), " : "")
                        + "or remove the recipient first: secrets-bridge rewrap --remove-recipient \(recipient.keyID.shellQuoted) "
                        + opened.file.path.shellQuotedPath
                )
            }
            add(keys.all[index])
        }
        if let rule, let requirement = rule.recipients {
            for key in requirement.missing(from: managers.map(\.keyID)) {
                guard let index = requirement.wrappingKey(for: key, in: keys) else {
                    throw InputError(
                        opened.location, RecipientRequirement.notConfigured(key, keys, rule).description)
                }
                add(keys.all[index])
            }
        }
        return managers
    }

    /// Replaces MAC, recipients and ciphertexts by those of another envelope.
    func replaceEnvelope(with new: EnvelopeFields, in editor: inout SourceEditor) throws(SourceEditError) {
        let document = opened.file.documents[opened.index]
        let change = RecipientChange(
            from: opened.desiredSecret.envelope.recipients, toAllOf: new.recipients)
        try EnvelopeEdit.apply(new, change, to: document, with: &editor)
    }
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
