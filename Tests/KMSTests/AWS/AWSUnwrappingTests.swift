import Envelope
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// Unwrapping behind the circuit breaker.
struct AWSUnwrappingTests {
    @Test func sendsALoneRequestAtOnceAndCoalescesEqualOnes() async throws {
        let gate = Gate()
        let transport = FakeTransport { _ in
            await gate.wait()
            return .decrypted()
        }
        let manager = BatchingKeyManager(try awsKeyManager(transport))
        async let first = manager.unwrap(awsRecipient, for: sampleBinding)
        async let second = manager.unwrap(awsRecipient, for: sampleBinding)
        async let other = manager.unwrap(awsRecipient, for: binding("other"))
        while transport.requests.count < 2 { await Task.yield() }
        gate.open()
        _ = try await (first, second, other)
        #expect(transport.requests.count <= 3)
        #expect(Set(transport.requests.map(\.text)).count == 2)
    }

    @Test(arguments: [
        "AccessDeniedException", "InvalidCiphertextException", "DisabledException", "NotFoundException",
        "ThrottlingException", "ValidationException",
    ])
    func oneInvalidCiphertextDoesNotAffectOthers(name: String) async throws {
        let transport = fakeKMS([
            "Decrypt": { body in
                body["EncryptionContext"]?["secrets-bridge.io/name"] == "bad"
                    ? .kmsError(name, fields: [.retryAfter: "0"]) : .decrypted()
            }
        ])
        let manager = BatchingKeyManager(try awsKeyManager(transport))
        for index in 0..<5 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: bindingNamed("bad"))
            }
            #expect(error != nil)
            _ = try await manager.unwrap(awsRecipient, for: binding("good\(index)"))
        }
    }

    @Test func aResponseOfAnotherKeyAffectsOneRecipient() async throws {
        let transport = fakeKMS([
            "Decrypt": { body in
                body["EncryptionContext"]?["secrets-bridge.io/name"] == "bad"
                    ? .decrypted(by: awsARN.replacing("1234abcd", with: "00000000")) : .decrypted()
            }
        ])
        let manager = BatchingKeyManager(try awsKeyManager(transport))
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: bindingNamed("bad"))
        }
        #expect(error?.code == .unavailable)
        _ = try await manager.unwrap(awsRecipient, for: sampleBinding)
    }

    @Test func probesAnOutageAndReportsItsEnd() async throws {
        let isOut = Locked(true)
        let transport = FakeTransport { _ in
            isOut.withLock { $0 } ? .kmsError("KMSInternalException", status: 500) : .decrypted()
        }
        let manager = BatchingKeyManager(try awsKeyManager(transport))
        let recoveries = Recorder<Int>()
        let upkeep = Task { await manager.maintain { recoveries.append(1) } }
        defer { upkeep.cancel() }
        let start = ContinuousClock.now
        for index in 0..<100 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: bindingNamed("s\(index)"))
            }
            #expect(error?.code == .unavailable)
        }
        // Without a circuit breaker, a hundred calls with three attempts each would be 300 requests.
        let seconds = Int((ContinuousClock.now - start).components.seconds)
        #expect(transport.requests.count <= 3 * (8 + seconds))
        #expect(recoveries.elements.isEmpty)
        isOut.withLock { $0 = false }
        await patiently { !recoveries.elements.isEmpty }
        #expect(recoveries.elements == [1])
        _ = try await manager.unwrap(awsRecipient, for: binding("after"))
    }

    @Test func reportsTheRecoveryOfADisabledKey() async throws {
        let isDisabled = Locked(true)
        let transport = FakeTransport { _ in
            isDisabled.withLock { $0 } ? .kmsError("DisabledException") : .decrypted()
        }
        let manager = BatchingKeyManager(try awsKeyManager(transport))
        let recoveries = Recorder<Int>()
        let upkeep = Task { await manager.maintain { recoveries.append(1) } }
        defer { upkeep.cancel() }
        for index in 0..<5 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: bindingNamed("s\(index)"))
            }
            #expect(error?.code == .keyUnavailable)
            #expect(error?.concernsOneCiphertext == false, "it is the configured key")
        }
        #expect(recoveries.elements.isEmpty)
        isDisabled.withLock { $0 = false }
        for index in 0..<5 { _ = try await manager.unwrap(awsRecipient, for: binding("s\(index)")) }
        await patiently { !recoveries.elements.isEmpty }
        #expect(recoveries.elements == [1])
    }

    /// A key in an external key store whose proxy does not respond is no outage of KMS.
    @Test(arguments: ["KeyUnavailableException", "DependencyTimeoutException"])
    func theOutageOfAKeyStoreDoesNotStopOtherKeys(code: String) async throws {
        let isOut = Locked(true)
        let transport = FakeTransport { _ in
            isOut.withLock { $0 } ? .kmsError(code, status: 500) : .decrypted()
        }
        let manager = BatchingKeyManager(try awsKeyManager(transport))
        for index in 0..<3 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: bindingNamed("s\(index)"))
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("key store") == true)
        }
        isOut.withLock { $0 = false }
        _ = try await manager.unwrap(awsRecipient, for: binding("after"))
    }

    @Test func doesNotWaitForABatchOfOne() throws {
        var rules = BatchMachine<Int>.Policy()
        rules.maximumSize = 1
        var machine = BatchMachine<Int>(rules)
        for item in 0..<5 {
            guard case .send([item]) = machine.add(item, backlog: 1000, now: .now) else {
                Issue.record("it waits")
                return
            }
        }
    }

    /// Waits for a condition, but not forever.
    private func patiently(_ isSo: () -> Bool) async {
        for _ in 0..<6000 where !isSo() { try? await Task.sleep(for: .milliseconds(5)) }
    }
}
