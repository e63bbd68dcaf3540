/// The keys this process may use: the first wraps, all unwrap. A value type that is safe to share.
package struct KeyRing: Sendable {
    package let primary: any KeyManager
    package let others: [any KeyManager]

    package init(primary: any KeyManager, others: [any KeyManager] = []) {
        self.primary = primary
        self.others = others
    }

    package var all: [any KeyManager] { [primary] + others }

    /// The key that unwraps this recipient; nil: not ours.
    package func keyManager(for recipient: Recipient) -> (any KeyManager)? {
        all.first { $0.accepts(keyID: recipient.keyID) }
    }

    /// The key that wraps for a backend: the first of its keys. Of the others it has unwrap only.
    package func wrappingKeyManager(of backend: String) -> (any KeyManager)? {
        all.first { KeyManagerRequest.backend(ofKeyID: $0.keyID) == backend }
    }
}
