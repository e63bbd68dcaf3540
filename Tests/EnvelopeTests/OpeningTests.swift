import Cryptography
import Testing

@testable import Envelope

/// The order of recipients, and the failure that is reported.
struct OpeningTests {
    private let dataKey = SharedSecret(copying: repeatElement(9, count: 32))
    private let binding: Binding

    init() throws {
        binding = try Binding(scope: .strict, namespace: "payments", secretName: "db")
    }

    /// Returns an envelope under `dataKey` with these recipients.
    private func envelope(_ recipients: [ScriptedKeyManager]) async throws -> Envelope {
        let sealer = ScriptedKeyManager("sealer:k", .dataKey(dataKey))
        let sealed = try await Envelope.seal([SecretEntry("a", [1])], binding: binding, with: sealer)
        return Envelope(
            binding: binding, recipients: recipients.map(\.recipient), mac: sealed.mac,
            entries: sealed.entries)
    }

    private func failure(_ answers: [ScriptedKeyManager.Answer]) async throws -> EnvelopeError? {
        let keys = answers.enumerated().map { ScriptedKeyManager("test:\($0)", $1) }
        let envelope = try await envelope(keys)
        do throws(EnvelopeError) {
            _ = try await envelope.open(with: KeyRing(primary: keys[0], others: Array(keys.dropFirst())))
            return nil
        } catch {
            return error
        }
    }

    private func code(_ error: EnvelopeError?) -> KeyManagerError.Code? {
        guard case .keyManager(let error) = error else { return nil }
        return error.code
    }

    @Test func reportsTheRecipientThatServedAndTriesNoFurther() async throws {
        let first = ScriptedKeyManager("test:1", .failure(.unavailable))
        let second = ScriptedKeyManager("test:2", .dataKey(dataKey))
        let third = ScriptedKeyManager("test:3", .dataKey(dataKey))
        let opened = try await envelope([first, second, third])
            .open(with: KeyRing(primary: third, others: [second, first]))
        #expect(opened.keyID == "test:2")
        #expect(opened.keyVersion == "7")
        #expect([first, second, third].map(\.calls.unwrapped) == [1, 1, 0])
    }

    @Test func sendsNoRequestForAnUnknownRecipient() async throws {
        let unknown = ScriptedKeyManager("test:unknown", .dataKey(dataKey))
        let configured = ScriptedKeyManager("test:configured", .dataKey(dataKey))
        await #expect(
            throws: EnvelopeError.noUsableRecipient(
                recipients: ["test:unknown"], configured: ["test:configured"])
        ) {
            _ = try await envelope([unknown]).open(with: KeyRing(primary: configured))
        }
        #expect(configured.calls == .init())
    }

    @Test(arguments: [
        KeyManagerError.Code.accessDenied, .keyUnavailable, .misconfigured, .throttled, .unavailable,
        .cancelled,
    ])
    func reportsATransientFailureBeforeAPermanentOne(transient: KeyManagerError.Code) async throws {
        let otherKey = ScriptedKeyManager.Answer.dataKey(SharedSecret(copying: repeatElement(8, count: 32)))
        let shortKey = ScriptedKeyManager.Answer.dataKey(SharedSecret(copying: repeatElement(9, count: 31)))
        for permanent in [.failure(.invalidCiphertext), otherKey, shortKey] {
            #expect(code(try await failure([permanent, .failure(transient)])) == transient)
            #expect(code(try await failure([.failure(transient), permanent])) == transient)
        }
    }

    @Test func triesTheNextRecipientAfterAKeyOfAnotherLength() async throws {
        for count in [0, 16, 31, 33, 64] {
            let key = SharedSecret(copying: repeatElement(9, count: count))
            #expect(code(try await failure([.dataKey(key)])) == .invalidCiphertext)
            #expect(try await failure([.dataKey(key), .dataKey(dataKey)]) == nil)
        }
    }

    @Test func triesTheNextRecipientAfterAKeyWithAnotherMAC() async throws {
        let other = SharedSecret(copying: repeatElement(8, count: 32))
        let integrityFailed = EnvelopeError.integrityFailed(keyID: "test:0")
        #expect(try await failure([.dataKey(other)]) == integrityFailed)
        #expect(try await failure([.dataKey(other), .dataKey(dataKey)]) == nil)
        #expect(try await failure([.dataKey(other), .failure(.invalidCiphertext)]) == integrityFailed)
    }
}
