package import Envelope
package import Resources
import System

/// A rule for the WrappedSecrets in files whose paths match a pattern. A field that the rule leaves out is free.
package struct Rule: Sendable, CustomStringConvertible {
    package let pattern: PathPattern
    /// The rules file as messages name it, and the line of the rule in it.
    package let source: String
    package let line: Int
    package var namespace: String?
    package var scope: Scope?
    /// The keys that a WrappedSecret has to list, or nil for any.
    package var recipients: RecipientRequirement?
    package var keyRef: WrappedSecretSpec.KeyRef?
    /// Labels that `spec.template` has to set.
    package var labels: [String: String] = [:]

    init(_ pattern: PathPattern, source: String, line: Int) {
        self.pattern = pattern
        self.source = source
        self.line = line
    }

    /// The rule in messages: `rule production/** (.secrets-bridge.yaml:3)`.
    package var description: String { "rule \(pattern) (\(source):\(line))" }

    /// Returns the rule with the values of flags in place of its own, and a note for each flag that changes it.
    package func overridden(
        namespace: String? = nil, scope: Scope? = nil, keyRef: WrappedSecretSpec.KeyRef? = nil,
        replacesRecipients: Bool = false
    ) -> (rule: Rule, notes: [String]) {
        var rule = self
        var notes: [String] = []
        func note(_ flag: String, _ required: String) {
            notes.append("\(flag) overrides \(self), which requires \(required)")
        }
        if let namespace, let required = self.namespace, namespace != required {
            note("--namespace \(namespace)", "namespace \(required)")
            rule.namespace = namespace
        }
        if let scope, let required = self.scope, scope != required {
            note("--scope \(scope.rawValue)", "scope \(required.rawValue)")
            rule.scope = scope
        }
        if let keyRef, let required = self.keyRef, keyRef != required {
            note("--key-ref \(keyRef.text)", "keyRef \(required.text)")
            rule.keyRef = keyRef
        }
        if replacesRecipients, let required = recipients {
            note("--recipient", "the recipients " + required.keys.map(\.description).joined(separator: ", "))
            rule.recipients = nil
        }
        return (rule, notes)
    }
}

/// The recipients that a rule requires.
package struct RecipientRequirement: Sendable {
    /// Keys and whole backends, without overlap.
    package let keys: [KeySelector]
    /// The recipient files among them, whose keys wrap without a KMS.
    package var files: [RecipientFileKey] = []
    /// True if a WrappedSecret may have more recipients than these.
    package let allowsOthers: Bool

    package var fileKeys: [RecipientKey] { files.map(\.key) }

    /// True if all keys are those of recipient files, so that wrapping needs no settings.
    package var isOffline: Bool { files.count == keys.count }

    func lists(_ keyID: String) -> Bool { keys.contains { $0.matches(keyID: keyID) } }

    /// Returns the keys that none of the recipients uses.
    func missing(from keyIDs: [String]) -> [KeySelector] {
        keys.filter { key in !keyIDs.contains { key.matches(keyID: $0) } }
    }

    /// Returns the recipients that the rule does not allow.
    func unlisted(_ keyIDs: [String]) -> [String] {
        allowsOthers ? [] : keyIDs.filter { !lists($0) }
    }

    /// Returns the index in the ring of the key that wraps for a required key, or nil if there is none: that of this
    /// requirement's own recipient file, or else a configured key. The recipient files of other rules, which may be in the ring
    /// too, are never used, nor is a previous key, which only unwraps.
    func wrappingKey(for key: KeySelector, in keys: KeyRing) -> Int? {
        if let file = files.first(where: { !key.isBackend && key.matches(keyID: $0.key.keyID) }) {
            return keys.all.firstIndex { ($0 as? RecipientKeyManager)?.key.isSame(as: file.key) == true }
        }
        return keys.all.indices.first { index in
            !(keys.all[index] is RecipientKeyManager) && keys.wrappingKeyIndex(for: index) == index
                && key.matches(keyID: keys.all[index].keyID)
        }
    }

    /// Returns a configured key for each required one, in the order of the rule.
    ///
    /// - Throws: `InputError` if one of them is not configured.
    func wrappingKeys(in keys: KeyRing, _ rule: Rule) throws(InputError) -> [any KeyManager] {
        var found: [any KeyManager] = []
        for key in self.keys {
            guard let index = wrappingKey(for: key, in: keys) else {
                throw Self.notConfigured(key, keys, rule)
            }
            found.append(keys.all[index])
        }
        return found
    }

    static func notConfigured(_ key: KeySelector, _ keys: KeyRing, _ rule: Rule) -> InputError {
        let configured = keys.all.map(\.keyID).joined(separator: ", ")
        return InputError(
            "\(rule) requires a recipient of \(key), for which no configured key wraps (configured: \(configured)); "
                + "configure it too (SB_KMS_BACKEND takes a list), or give --rules none")
    }
}

extension KeyRing {
    /// Resolves aliases of keys to the ids that recipients carry, if the rule names ids.
    ///
    /// A user may lack the permission to look up an id. The alias then matches no id, and the error names both.
    package func resolveKeyIDs(for rule: Rule?) async throws(InputError) {
        guard rule?.recipients?.keys.contains(where: { !$0.isBackend }) == true else { return }
        for key in all {
            do throws(KeyManagerError) {
                try await (key as? any DiagnosableKeyManager)?.resolveKeyID()
            } catch {
                guard error.code == .accessDenied else { throw InputError(error.description) }
            }
        }
    }
}
