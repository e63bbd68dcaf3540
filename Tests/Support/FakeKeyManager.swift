package import Cryptography
package import Envelope
import KMS
import System

/// A working key that counts its unwraps, and fails on request.
package final class FakeKeyManager: KeyManager {
    private let key: LocalKeyManager
    private let failure = Locked<KeyManagerError.Code?>(nil)
    private let count = Locked(0)

    package init(seed: UInt8 = 7) throws {
        key = try LocalKeyManager(master: SharedSecret(copying: [UInt8](repeating: seed, count: 32)))
    }

    package var keyID: String { key.keyID }
    package var unwrapCount: Int { count.withLock { $0 } }
    package var keyRing: KeyRing { KeyRing(primary: self) }

    /// Makes every call fail with this code, until it is nil.
    package func fail(_ code: KeyManagerError.Code?) {
        failure.withLock { $0 = code }
    }

    package func accepts(keyID: String) -> Bool { key.accepts(keyID: keyID) }

    package func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        try check()
        return try await key.generateDataKey(for: binding)
    }

    package func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError)
        -> Recipient
    {
        try check()
        return try await key.wrap(dataKey, for: binding)
    }

    package func unwrap(
        _ recipient: Recipient, for binding: Binding
    ) async throws(KeyManagerError) -> UnwrappedKey {
        count.withLock { $0 += 1 }
        try check()
        return try await key.unwrap(recipient, for: binding)
    }

    private func check() throws(KeyManagerError) {
        if let code = failure.withLock({ $0 }) {
            throw KeyManagerError(code, keyID: keyID, message: "scripted: \(code.rawValue)")
        }
    }
}
