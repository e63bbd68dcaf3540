import Cryptography
import Testing

@testable import Envelope

struct SealingTests {
    private let key = ScriptedKeyManager(
        "test:k", .dataKey(SharedSecret(copying: repeatElement(9, count: 32))))

    private func sealing(
        _ entries: [SecretEntry], with key: ScriptedKeyManager? = nil,
        recipients: [ScriptedKeyManager] = []
    ) async throws -> EnvelopeError? {
        let binding = try Binding(scope: .strict, namespace: "payments", secretName: "db")
        do throws(EnvelopeError) {
            _ = try await Envelope.seal(
                entries, binding: binding, with: key ?? self.key, recipients: recipients)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: ["", ".", "..", "..a", "a/b", "é", "a\0", "a b", String(repeating: "a", count: 254)])
    func rejectsInvalidEntryNamesWithoutARequest(name: String) async throws {
        guard case .invalid(let field, _) = try await sealing([SecretEntry(name, [1])]) else {
            Issue.record("sealed \(name.debugDescription)")
            return
        }
        #expect(field == "data")
        #expect(key.calls == .init())
    }

    @Test func rejectsADuplicateEntry() async throws {
        let error = try await sealing([SecretEntry("a", [1]), SecretEntry("a", [2])])
        #expect(error == .invalid(field: "data", problem: "has the entry a twice"))
        #expect(key.calls == .init())
    }

    @Test func rejectsMoreEntriesThanAReaderAccepts() async throws {
        let entries = (0...EnvelopeValidation.maximumEntries).map { SecretEntry("e\($0)", []) }
        #expect(try await sealing(Array(entries.dropLast())) == nil)
        #expect(try await sealing(entries) != nil)
        #expect(key.calls.generated == 1)
    }

    @Test(arguments: [0, 16, 31, 33, 64])
    func rejectsADataKeyOfAnotherLength(count: Int) async throws {
        let short = SharedSecret(copying: repeatElement(9, count: count))
        let error = try await sealing([], with: ScriptedKeyManager("test:k", .dataKey(short)))
        guard case .keyManager(let error) = error else {
            Issue.record("sealed under a key of \(count) bytes")
            return
        }
        #expect(error.code == .misconfigured)
    }

    @Test func wrapsForEveryRecipientOrFails() async throws {
        let second = ScriptedKeyManager("test:2", .dataKey(SharedSecret(copying: [])))
        #expect(try await sealing([SecretEntry("a", [1])], recipients: [second]) == nil)
        #expect(second.calls == .init(wrapped: 1))
        let down = ScriptedKeyManager("test:3", .failure(.unavailable))
        #expect(
            try await sealing([SecretEntry("a", [1])], recipients: [second, down])
                == .keyManager(KeyManagerError(.unavailable, keyID: "test:3", message: "scripted")))
    }
}
