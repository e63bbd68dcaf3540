import Cryptography
import Envelope
import System

/// Counts the unwraps that reach a key.
final class CountingKeyManager: KeyManager {
    private let key: any KeyManager
    private let counts = Locked<[Binding: Int]>([:])

    init(_ key: any KeyManager) { self.key = key }

    var keyID: String { key.keyID }
    var unwraps: Int { counts.withLock { $0.values.reduce(0, +) } }

    /// Of the Secret of this name, under scope strict.
    func unwraps(of name: String) -> Int { unwraps { $0 == name } }

    /// Of the Secrets of these names, under scope strict.
    func unwraps(_ picks: (String) -> Bool) -> Int {
        counts.withLock { counts in counts.filter { picks($0.key.name) }.values.reduce(0, +) }
    }

    func accepts(keyID: String) -> Bool { key.accepts(keyID: keyID) }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try await key.generateDataKey(for: binding)
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        try await key.wrap(dataKey, for: binding)
    }

    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        counts.withLock { $0[binding, default: 0] += 1 }
        return try await key.unwrap(recipient, for: binding)
    }
}
