import Cryptography
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller
@testable import Envelope

/// The audit log. Its message and the names of its fields are API.
@Suite struct UnwrapAuditTests {
    /// Unwraps an envelope with `keys`, and returns the fields of its log line.
    private func line(
        _ keys: FakeKeyManager, of provider: ProviderRef? = nil,
        _ change: (inout WrappedSecret) -> Void = { _ in }
    ) async throws -> [String: String] {
        var object = try await makeWrappedSecret(by: try FakeKeyManager(), ["password": "canary-1"])
        change(&object)
        let envelope = try Envelope(object.spec.envelope, namespace: "payments", secretName: "db")
        let lines = LogLines()
        var audit = UnwrapAudit(object.metadata, envelope, provider, lines.logger)
        do {
            audit.logSuccess(try await envelope.open(with: keys.keyRing) { audit.logFailure(of: $0) })
        } catch {
            audit.logFailureAfterAttempts(error)
        }
        #expect(lines.texts == ["info audit: unwrap of a data key  "])
        let fields = try #require(lines.fields.first)
        for secret in ["canary-1", object.spec.envelope.mac]
            + object.spec.envelope.recipients.map(\.wrappedKey)
        {
            #expect(!fields.values.contains { $0.contains(secret) })
        }
        #expect(fields["object"] == "payments/db")
        #expect(fields["uid"] == "u1")
        #expect(fields["generation"] == "3")
        #expect(fields["recipients"] == "1")
        #expect(Int(fields["duration_ms"] ?? "") != nil)
        return fields
    }

    @Test func aSuccessfulUnwrapLogsTheObjectAndTheKey() async throws {
        let keys = try FakeKeyManager()
        let fields = try await line(keys)
        #expect(fields["result"] == "ok")
        #expect(fields["key_id"] == keys.keyID)
        #expect(fields["recipient"] == "0")
        #expect(fields["key_version"] != nil)
        #expect(fields["provider"] == nil)
    }

    @Test func anUnwrapWithAProviderLogsTheProvider() async throws {
        let provider = ProviderRef(keyProvider: ObjectRef(namespace: "payments", name: "own"))
        let keys = try FakeKeyManager()
        #expect(try await line(keys, of: provider)["provider"] == "KeyProvider payments/own")
        keys.fail(.accessDenied)
        #expect(try await line(keys, of: provider)["provider"] == "KeyProvider payments/own")
    }

    @Test func aMACThatDoesNotMatchLogsTheKey() async throws {
        let keys = try FakeKeyManager()
        let fields = try await line(keys) {
            $0.spec.envelope.mac = Base64.encode([UInt8](repeating: 1, count: 32))
        }
        #expect(fields["result"] == "integrityFailed")
        #expect(fields["key_id"] == keys.keyID)
        #expect(fields["recipient"] == "0")
    }

    /// The program that sealed the envelope made an error.
    @Test func aValueThatDoesNotVerifyLogsTheKey() async throws {
        let keys = try FakeKeyManager()
        let object = try await makeWrappedSecret(by: keys)
        let envelope = try Envelope(object.spec.envelope, namespace: "payments", secretName: "db")
        let lines = LogLines()
        UnwrapAudit(object.metadata, envelope, nil, lines.logger)
            .logFailureAfterAttempts(.decryptFailed(entry: "password", keyID: keys.keyID))
        #expect(lines.fields.first?["result"] == "decryptFailed")
        #expect(lines.fields.first?["key_id"] == keys.keyID)
    }

    @Test(arguments: [KeyManagerError.Code.accessDenied, .unavailable, .keyUnavailable])
    func aFailedUnwrapLogsTheErrorCodeAndTheKey(code: KeyManagerError.Code) async throws {
        let keys = try FakeKeyManager()
        keys.fail(code)
        let fields = try await line(keys)
        #expect(fields["result"] == code.rawValue)
        #expect(fields["key_id"] == keys.keyID)
    }

    /// Each of them is a request to the KMS.
    @Test func eachRecipientThatIsTriedHasALine() async throws {
        let (keys, others) = (try FakeKeyManager(), try FakeKeyManager(seed: 8))
        var object = try await makeWrappedSecret(by: keys)
        // Another data key, as after a splice.
        object.spec.envelope.recipients.insert(
            try await makeWrappedSecret(by: others).spec.envelope.recipients[0], at: 0)
        let envelope = try Envelope(object.spec.envelope, namespace: "payments", secretName: "db")
        let lines = LogLines()
        var audit = UnwrapAudit(object.metadata, envelope, nil, lines.logger)
        let ring = KeyRing(primary: keys, others: [others])
        audit.logSuccess(try await envelope.open(with: ring) { audit.logFailure(of: $0) })
        #expect(lines.fields.map { $0["result"] } == ["integrityFailed", "ok"])
        #expect(lines.fields.map { $0["key_id"] } == [others.keyID, keys.keyID])
    }

    @Test func aLineHasTheTimeOfItsAttemptAlone() async throws {
        let (keys, others) = (try FakeKeyManager(), try FakeKeyManager(seed: 8))
        var object = try await makeWrappedSecret(by: keys)
        object.spec.envelope.recipients.insert(
            try await makeWrappedSecret(by: others).spec.envelope.recipients[0], at: 0)
        let envelope = try Envelope(object.spec.envelope, namespace: "payments", secretName: "db")
        let lines = LogLines()
        var audit = UnwrapAudit(object.metadata, envelope, nil, lines.logger)
        // The KMS of the first recipient does not respond.
        let attempt = UnwrapAttempt(
            recipient: envelope.recipients[0], ordinal: 0,
            failure: .keyManager(KeyManagerError(.unavailable, keyID: others.keyID, message: "timeout")))
        try await Task.sleep(for: .milliseconds(400))
        audit.logFailure(of: attempt)
        audit.logSuccess(try await envelope.open(with: keys.keyRing) { audit.logFailure(of: $0) })
        let durations = lines.fields.compactMap { $0["duration_ms"].flatMap(Int.init) }
        #expect(durations.count == 2)
        #expect(durations.first ?? 0 >= 400)
        #expect(durations.last ?? .max < durations.first ?? 0)
    }

    @Test func anEnvelopeWithoutAUsableRecipientLogsNoKey() async throws {
        let fields = try await line(try FakeKeyManager(seed: 8))
        #expect(fields["result"] == "noUsableRecipient")
        #expect(fields["key_id"] == nil)
    }
}
