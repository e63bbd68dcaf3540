import System

/// The keys that this process may use: the primary key wraps by default, all of them unwrap.
package struct KeyRing: Sendable {
    package let primary: any KeyManager
    package let others: [any KeyManager]
    /// The keys of providers. They unwrap, and each wraps for its own recipients.
    package let providerKeys: [any KeyManager]
    /// Keys besides the primary one that every new data key is wrapped for. They only wrap, and are not in `all`.
    package let additionalRecipients: [any KeyManager]
    /// The backlog that the batching key managers of this ring consult.
    package let backlog: UnwrapBacklog

    package init(
        primary: any KeyManager, others: [any KeyManager] = [], providerKeys: [any KeyManager] = [],
        additionalRecipients: [any KeyManager] = [], backlog: UnwrapBacklog = UnwrapBacklog()
    ) {
        self.primary = primary
        self.others = others
        self.providerKeys = providerKeys
        self.additionalRecipients = additionalRecipients
        self.backlog = backlog
    }

    /// Returns a ring that wraps for these keys and unwraps nothing, or nil without a key.
    package init?(wrappingFor keys: [RecipientKey]) {
        guard let first = keys.first else { return nil }
        self.init(
            primary: RecipientKeyManager(first),
            additionalRecipients: keys.dropFirst().map { RecipientKeyManager($0) })
    }

    /// Returns the ring with further keys at the end of `all`, each of which wraps for its own recipients and unwraps nothing.
    package func adding(_ keys: [RecipientKey]) -> KeyRing {
        KeyRing(
            primary: primary, others: others,
            providerKeys: providerKeys + keys.map { RecipientKeyManager($0) },
            additionalRecipients: additionalRecipients, backlog: backlog)
    }

    package var all: [any KeyManager] { [primary] + others + providerKeys }

    /// Returns the key that unwraps `recipient`, or nil if no key of the ring accepts it.
    package func keyManager(for recipient: Recipient) -> (any KeyManager)? {
        all.first { $0.accepts(keyID: recipient.keyID) }
    }

    /// Returns the index in `all` of the key that unwraps `recipient`, or nil if no key accepts it.
    package func keyIndex(for recipient: Recipient) -> Int? {
        all.firstIndex { $0.accepts(keyID: recipient.keyID) }
    }

    /// Returns the index of the key that wraps for recipients of the key at `index`: the first key of its backend, whose
    /// other keys only unwrap, or the key of a provider itself.
    package func wrappingKeyIndex(for index: Int) -> Int {
        let keys = all
        guard index < keys.count - providerKeys.count else { return index }
        let backend = KeyManagerRequest.backend(ofKeyID: keys[index].keyID)
        return keys.firstIndex { KeyManagerRequest.backend(ofKeyID: $0.keyID) == backend } ?? index
    }
}

/// The number of data keys that this process is about to unwrap: a key manager that sends batches waits for a fuller
/// batch while there are many. Safe to use from any thread.
package final class UnwrapBacklog: Sendable {
    private let source = ReplaceableFunction<Void, Int> { 0 }

    package init() {}

    /// Sets the closure that returns the number. It is called at each unwrap and must return fast.
    package func follow(_ count: @escaping @Sendable () -> Int) {
        source.replace(with: count)
    }

    /// The number of unwraps that will follow within moments.
    package var count: Int { source() }
}
