import CLI
import Envelope
import Resources

/// Creates the wrapper for each manifest from the flags of a command and the rule for the path that the manifest is written
/// to.
final class WrapperFactory {
    private let namespace: String?
    private let scope: Scope?
    private let provider: KeyRefOptions
    private let cluster: ClusterAccess
    private let rules: RuleBook
    private let recipients: RecipientOptions
    /// The keys of the recipient files that flags name, once they are read.
    private var recipientKeys: [RecipientKey]?
    /// The keys of each provider and namespace. Rules that name no provider share those of the settings.
    private var rings: [String: KeyRing] = [:]
    private var printedNotes: Set<String> = []

    init(
        namespace: String?, scope: Scope?, provider: KeyRefOptions, cluster: ClusterAccess,
        rules: RulesOptions, recipients: RecipientOptions
    ) {
        self.namespace = namespace
        self.scope = scope
        self.provider = provider
        self.cluster = cluster
        self.rules = rules.book()
        self.recipients = recipients
    }

    /// Loads the keys of the flags, so that a wrong setting is reported before anything is read. A rule may need others.
    func loadKeys(for path: String?) async throws {
        if !recipients.files.isEmpty {
            _ = try readRecipientKeys()
        } else if !rules.hasRulesFile(for: path) {
            _ = try await keys(provider.keyRef, namespace: namespace, addsOwn: false)
        }
    }

    /// Returns the wrapper for a manifest, and prints which flags override its rule.
    ///
    /// - Parameters:
    ///   - path: The path of the manifest, or nil for standard input and output.
    ///   - scope: The scope without a flag and a rule.
    ///   - isBound: True if the namespace of the flag is that of the Secret, and false if it only selects what is read.
    func wrapper(
        for path: String?, scope defaultScope: Scope = .strict, isBound: Bool = true
    ) async throws(InputError) -> SecretWrapper {
        let found = try rules.rule(for: path)
        let (rule, notes) =
            found?.overridden(
                namespace: isBound ? namespace : nil, scope: scope, keyRef: provider.keyRef,
                replacesRecipients: !recipients.files.isEmpty) ?? (nil, [])
        for note in notes where printedNotes.insert(note).inserted { Console.note(note) }
        let keyRef = provider.keyRef ?? rule?.keyRef
        let keys: KeyRing
        do {
            keys = try await ring(for: rule, keyRef)
        } catch let error as InputError {
            throw error
        } catch {
            throw InputError("\(error)")
        }
        try await keys.resolveKeyIDs(for: rule)
        return SecretWrapper(
            keys: keys, scope: scope ?? rule?.scope ?? defaultScope, namespace: isBound ? namespace : nil,
            keyRef: keyRef, rule: rule)
    }

    /// Returns the keys that wrap: those of the recipient files of the flags alone, or those of the settings and of the
    /// recipient files of the rule. If the rule lists nothing but files, no settings are needed.
    private func ring(for rule: Rule?, _ keyRef: WrappedSecretSpec.KeyRef?) async throws -> KeyRing {
        if let ring = KeyRing(wrappingFor: try readRecipientKeys()) { return ring }
        let requirement = rule?.recipients
        let files = requirement?.files ?? []
        try recipients.checkPins(files)
        if let first = files.first, requirement?.isOffline == true {
            return KeyRing(primary: RecipientKeyManager(first.key)).adding(files.dropFirst().map(\.key))
        }
        let configured = try await keys(
            keyRef, namespace: namespace ?? rule?.namespace,
            addsOwn: keyRef != nil && (requirement?.keys.count ?? 0) > 1)
        return configured.adding(files.map(\.key))
    }

    private func readRecipientKeys() throws(InputError) -> [RecipientKey] {
        if let recipientKeys { return recipientKeys }
        let keys = try recipients.keys()
        recipientKeys = keys
        return keys
    }

    private func keys(
        _ keyRef: WrappedSecretSpec.KeyRef?, namespace: String?, addsOwn: Bool
    ) async throws -> KeyRing {
        let id = keyRef.map { "\($0.text) \(namespace ?? "") \(addsOwn)" } ?? ""
        if let known = rings[id] { return known }
        let ring = try await provider.keys(keyRef, namespace: namespace, addsOwn: addsOwn, cluster)
        rings[id] = ring
        return ring
    }
}
