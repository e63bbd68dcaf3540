import Cryptography
import System

@testable import Envelope

/// A key with a scripted result, which counts its calls.
struct ScriptedKeyManager: KeyManager {
    struct Calls: Equatable {
        var generated = 0
        var wrapped = 0
        var unwrapped = 0
    }

    enum Answer {
        case dataKey(SharedSecret)
        case failure(KeyManagerError.Code)
    }

    let keyID: String
    private let answer: Answer
    private let counts = Locked(Calls())

    init(_ keyID: String, _ answer: Answer) {
        self.keyID = keyID
        self.answer = answer
    }

    var calls: Calls { counts.withLock { $0 } }

    /// A recipient that this key accepts.
    var recipient: Recipient { Recipient(keyID: keyID, wrappedKey: "scripted-wrapped-key") }

    func accepts(keyID: String) -> Bool { keyID == self.keyID }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        counts.withLock { $0.generated += 1 }
        return DataKey(key: try result(), recipient: recipient)
    }

    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        counts.withLock { $0.wrapped += 1 }
        _ = try result()
        return recipient
    }

    func unwrap(
        _ recipient: Recipient, for binding: Binding
    ) async throws(KeyManagerError) -> UnwrappedKey {
        counts.withLock { $0.unwrapped += 1 }
        return UnwrappedKey(key: try result(), keyVersion: "7")
    }

    private func result() throws(KeyManagerError) -> SharedSecret {
        switch answer {
        case .dataKey(let key): return key
        case .failure(let code): throw KeyManagerError(code, keyID: keyID, message: "scripted")
        }
    }
}
