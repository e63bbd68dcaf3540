import Cryptography
import KMS
import Testing

@testable import Envelope

struct KeyManagerDiagnosisTests {
    @Test func aRoundTripPassesWithAWorkingKey() async throws {
        #expect(await (try localKey() as any KeyManager).diagnose() == .passed)
    }

    @Test func reportsAKeyThatCannotGenerate() async {
        let key = ScriptedKeyManager("test:k", .failure(.unavailable))
        #expect(
            await key.diagnose()
                == .failed(KeyManagerError(.unavailable, keyID: "test:k", message: "scripted")))
    }

    @Test func usesTheSelfTestOfADiagnosableKey() async {
        #expect(await (DiagnosableKey() as any KeyManager).diagnose() == .unwrapsOnly("scripted"))
    }
}

/// A key that may only unwrap.
private struct DiagnosableKey: DiagnosableKeyManager {
    let keyID = "test:diagnosable"

    func selfTest() async -> SelfTestResult { .unwrapsOnly("scripted") }
    func accepts(keyID: String) -> Bool { true }
    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey { throw denied }
    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        throw denied
    }
    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        throw denied
    }

    private var denied: KeyManagerError { KeyManagerError(.accessDenied, keyID: keyID, message: "denied") }
}
