import Envelope
import YAML

/// Reads the recipients of a rule.
extension RulesFile {
    func recipients(
        _ list: YAMLNode?, allowsOthers: YAMLNode?, _ rule: String, of owner: Rule
    ) throws(InputError) -> RecipientRequirement? {
        let field = "\(rule).recipients"
        guard let list else {
            if let allowsOthers {
                throw InputError(
                    location(allowsOthers),
                    "\(rule).allowOtherRecipients needs recipients; without them, any recipient is allowed")
            }
            return nil
        }
        let nodes = try elements(of: list, field)
        guard (1...EnvelopeValidation.maximumRecipients).contains(nodes.count) else {
            throw InputError(
                location(list),
                "\(field) has \(nodes.count) items; 1 to \(EnvelopeValidation.maximumRecipients) are expected; "
                    + "leave the field out if any recipient is allowed")
        }
        var keys: [KeySelector] = []
        var files: [RecipientFileKey] = []
        for (index, node) in nodes.enumerated() {
            let (key, file) = try recipient(node, "\(field)[\(index)]")
            if let file { files.append(file) }
            if let other = keys.firstIndex(where: { $0.overlaps(key) }) {
                throw InputError(
                    location(node),
                    "\(field)[\(index)] is already part of \(field)[\(other)]; list each key, or the backend, once"
                )
            }
            keys.append(key)
        }
        let allows = try allowsOthers.map { node throws(InputError) in
            guard let value = node.bool else {
                throw ManifestFields.typeMismatch(
                    node, "\(rule).allowOtherRecipients", "true or false", source)
            }
            return value
        }
        return RecipientRequirement(keys: keys, files: files, allowsOthers: allows ?? false)
    }

    /// Returns the key of a recipient, and the file that has it, if it is named by a file.
    private func recipient(
        _ node: YAMLNode, _ field: String
    ) throws(InputError) -> (KeySelector, RecipientFileKey?) {
        let fields = try fields(of: node, field, ["file", "backend", "keyID"])
        if let file = fields["file"] {
            guard fields.count == 1 else {
                throw InputError(
                    location(node),
                    "\(field) has file and other fields; the file names the backend and the key")
            }
            let path = try string(file, "\(field).file")
            let found = try recipientFiles.key(inFile: path, "\(field).file", location(file))
            return (try KeySelector(found.key.keyID), found)
        }
        guard !fields.isEmpty else {
            throw InputError(location(node), "\(field) is empty; it needs file, backend or keyID")
        }
        let backend = try fields["backend"].map { node throws(InputError) in
            let text = try string(node, "\(field).backend")
            guard KeySelector.backends.contains(text) else {
                throw InputError(
                    location(node),
                    "\(field).backend is \(quoted(text)); one of \(KeySelector.backends.joined(separator: ", ")) is "
                        + "expected")
            }
            return text
        }
        guard let node = fields["keyID"] else {
            // `backend` is present, because the fields are not empty.
            return (try KeySelector(backend ?? ""), nil)
        }
        let text = try string(node, "\(field).keyID")
        guard let key = KeySelector(backend: backend, keyID: text) else {
            throw InputError(
                location(node),
                "\(field).keyID \(quoted(text)) is not a key id\(backend.map { " of \($0)" } ?? ""); "
                    + "secrets-bridge status --by-key and inspect list key ids")
        }
        return (key, nil)
    }
}

extension KeySelector {
    /// Selects one key.
    ///
    /// - Parameters:
    ///   - backend: The backend of the key, or nil if the id names it.
    ///   - keyID: The id, which may lack the prefix of the backend: `transit/prod`.
    /// - Returns: nil if it is not the id of a key of the backend.
    package init?(backend: String?, keyID: String) {
        let isWhole = backend == nil || KeyManagerRequest.backend(ofKeyID: keyID) == backend
        let text = isWhole ? keyID : "\(backend ?? ""):\(keyID)"
        guard text.utf8.count <= EnvelopeValidation.maximumKeyIDLength,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let key = try? KeySelector(text), !key.isBackend
        else { return nil }
        self = key
    }

    fileprivate func overlaps(_ other: KeySelector) -> Bool {
        description == other.description
            || (backend == other.backend && (isBackend || other.isBackend))
    }
}
