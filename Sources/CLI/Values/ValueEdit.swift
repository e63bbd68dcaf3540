import Cryptography
package import Envelope
import Resources
import YAML

/// Puts other values into a WrappedSecret of a file: under a new data key, as one that encrypted before may be known
/// to people who must not know the new values. In the file, `data`, `mac` and the wrapped keys change, and no other
/// byte.
package struct ValueEdit: Sendable {
    private let opened: OpenedDocument
    private let keys: KeyRing

    package init(_ opened: OpenedDocument, with keys: KeyRing) {
        self.opened = opened
        self.keys = keys
    }

    /// What changed; where that is nothing, the file was not touched.
    ///
    /// Errors: a recipient is not configured here, the KMS refuses, or the file cannot be edited. It is as it was then.
    package func replaceValues(with entries: [SecretEntry]) async throws(InputError) -> ValueDifference {
        let difference = ValueDifference(from: opened.entries, to: entries)
        guard !difference.isEmpty else { return difference }
        let managers = try managers()
        let envelope: Envelope
        do {
            try SecretLimits.check(plaintextCount: entries.reduce(0) { $0 + $1.value.count })
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

    /// The keys to wrap for, in the order of the recipients: for each, the key that wraps for its backend now. Never one
    /// that only the row names.
    private func managers() throws(InputError) -> [any KeyManager] {
        var managers: [any KeyManager] = []
        for recipient in opened.desiredSecret.envelope.recipients {
            guard let own = keys.keyManager(for: recipient),
                let manager = keys.wrappingKeyManager(of: KeyManagerRequest.backend(ofKeyID: own.keyID))
            else {
                throw InputError(
                    opened.location,
                    "\(quoted(recipient.keyID)) opens it too and is not configured here, so that it could not open "
                        + "the new values; configure that key as well (SB_KMS_BACKEND takes a list), or remove it "
                        + "first: secrets-bridge rewrap --remove-recipient \(recipient.keyID.shellQuoted) "
                        + opened.file.path.shellQuoted
                )
            }
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
            // Without any entry there is no such field.
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
