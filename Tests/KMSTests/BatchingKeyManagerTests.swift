import Cryptography
import Envelope
import System
import TestSupport
import Testing

@testable import KMS

struct BatchingKeyManagerTests {
    private func request(_ index: Int) throws -> UnwrapRequest {
        UnwrapRequest(sampleRecipient, try binding("s\(index)"))
    }

    @Test func sendsManyUnwrapsInFewRequests() async throws {
        let base = ScriptedBatchKeyManager()
        let manager = BatchingKeyManager(base)
        let served = try await withThrowingTaskGroup(of: UnwrappedKey.self) { group in
            for index in 0..<100 {
                group.addTask { try await manager.unwrap(sampleRecipient, for: binding("s\(index)")) }
            }
            return try await group.reduce(into: 0) { count, _ in count += 1 }
        }
        #expect(served == 100)
        #expect(base.batches.elements.map(\.count).reduce(0, +) == 100)
        #expect(base.batches.elements.count <= 3)
    }

    @Test func sendsIdenticalRequestsOnce() async throws {
        let base = ScriptedBatchKeyManager()
        let gate = Gate()
        base.hold.withLock { $0 = gate }
        let manager = BatchingKeyManager(base)
        async let first = manager.unwrap(sampleRecipient, for: sampleBinding)
        await base.batches.wait(for: 1)
        // The first request is in flight.
        async let second = manager.unwrap(sampleRecipient, for: sampleBinding)
        async let other = manager.unwrap(sampleRecipient, for: binding("other"))
        await base.batches.wait(for: 2)
        gate.open()
        #expect(try await first.key === second.key)
        _ = try await other
        #expect(base.batches.elements.flatMap { $0 }.count == 2)
    }

    @Test func aCancelledCallerDoesNotCancelTheOthers() async throws {
        let base = ScriptedBatchKeyManager()
        let gate = Gate()
        base.hold.withLock { $0 = gate }
        let manager = BatchingKeyManager(base)
        let one = Task { try await manager.unwrap(sampleRecipient, for: sampleBinding) }
        let two = Task { try await manager.unwrap(sampleRecipient, for: sampleBinding) }
        await base.batches.wait(for: 1)
        one.cancel()
        await #expect(throws: KeyManagerError.self) { _ = try await one.value }
        gate.open()
        #expect(try await two.value.keyVersion == "1")
    }

    @Test func givesEachCallerItsOwnResult() async throws {
        let base = ScriptedBatchKeyManager()
        base.refused.withLock { $0 = ["s1"] }
        let manager = BatchingKeyManager(base)
        async let good = manager.unwrap(sampleRecipient, for: binding("s0"))
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(sampleRecipient, for: bindingNamed("s1"))
        }
        #expect(error?.code == .invalidCiphertext)
        _ = try await good
        // A rejected ciphertext does not open the circuit breaker.
        _ = try await manager.unwrap(sampleRecipient, for: binding("s2"))
    }

    /// Hundreds of unwraps in an outage reach the KMS as one probe at a time.
    @Test func probesInAnOutageAndReportsItsEndOnce() async throws {
        let base = ScriptedBatchKeyManager()
        let manager = BatchingKeyManager(base)
        let recoveries = Recorder<Int>()
        let maintenance = Task { await manager.maintain { recoveries.append(1) } }
        base.outage.withLock { $0 = KeyManagerError(.unavailable, keyID: base.keyID, message: "down") }
        let start = ContinuousClock.now
        for round in 0..<10 {
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<50 {
                    group.addTask {
                        let error = await keyManagerError { () throws(KeyManagerError) in
                            try await manager.unwrap(sampleRecipient, for: bindingNamed("s\(round)-\(index)"))
                        }
                        #expect(error?.message == "down")
                    }
                }
            }
        }
        let seconds = Int((ContinuousClock.now - start).components.seconds)
        #expect(base.batches.elements.count <= 8 + seconds)
        #expect(recoveries.elements.isEmpty)
        base.outage.withLock { $0 = nil }
        await recoveries.wait(for: 1)
        _ = try await manager.unwrap(sampleRecipient, for: binding("after"))
        #expect(recoveries.elements == [1])
        maintenance.cancel()
        await maintenance.value
    }

    @Test func waitsForTheUnwrapsOfTheBacklog() async throws {
        let base = ScriptedBatchKeyManager()
        let backlog = UnwrapBacklog()
        backlog.follow { 2 }
        var policy = BatchMachine<UnwrapRequest>.Policy()
        policy.targetSize = 2
        policy.backlogWindow = .init(maximumGap: .seconds(10), maximumDelay: .seconds(10))
        let manager = BatchingKeyManager(base, backlog: backlog, policy: policy)
        async let first = manager.unwrap(sampleRecipient, for: binding("s1"))
        try await Task.sleep(for: .milliseconds(30))
        #expect(base.batches.elements.isEmpty)
        _ = try await manager.unwrap(sampleRecipient, for: binding("s2"))
        _ = try await first
        #expect(base.batches.elements.map(\.count) == [2])
    }

    @Test func doesNotSendAnInvalidCiphertext() async throws {
        let transport = FakeTransport { _ in .init(200, "{}") }
        let manager = BatchingKeyManager(try KMSTests.transitKeyManager(transport))
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(
                Recipient(keyID: manager.keyID, wrappedKey: "vault:v1:?"), for: sampleBinding)
        }
        #expect(error?.code == .invalidCiphertext)
        #expect(transport.requests.isEmpty)
    }

    /// Swift treats these strings as equal; Vault does not.
    @Test func comparesRequestsByTheirBytes() throws {
        let composed = UnwrapRequest(Recipient(keyID: "k:1", wrappedKey: "\u{e9}"), sampleBinding)
        let decomposed = UnwrapRequest(Recipient(keyID: "k:1", wrappedKey: "e\u{301}"), sampleBinding)
        #expect(composed.recipient == decomposed.recipient)
        #expect(composed != decomposed)
        #expect(try request(1) != request(2))
        #expect(try request(1) == request(1))
    }
}

func bindingNamed(_ name: String) throws(KeyManagerError) -> Binding {
    do {
        return try binding(name)
    } catch {
        throw KeyManagerError(.misconfigured, keyID: "", message: "\(error)")
    }
}

/// A base with scripted results, which records its batches.
final class ScriptedBatchKeyManager: BatchUnwrapping {
    let keyID = "vault-transit:transit/sb-wrap"
    let maximumBatch = 1000
    let batches = Recorder<[UnwrapRequest]>()
    let outage = Locked<KeyManagerError?>(nil)
    /// The names whose requests fail like those in an outage.
    let slow = Locked<Set<String>>([])
    let refused = Locked<Set<String>>([])
    let hold = Locked<Gate?>(nil)

    func accepts(keyID: String) -> Bool { keyID == self.keyID }
    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {}

    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        batches.append(requests)
        await hold.withLock { $0 }?.wait()
        if let error = outage.withLock({ $0 }) { throw error }
        if requests.contains(where: { request in slow.withLock { $0.contains(request.binding.name) } }) {
            throw KeyManagerError(.unavailable, keyID: keyID, message: "timeout")
        }
        return requests.map { request in
            refused.withLock { $0.contains(request.binding.name) }
                ? .failure(KeyManagerError(.invalidCiphertext, keyID: keyID, message: "refused"))
                : .success(
                    UnwrappedKey(key: SharedSecret(copying: request.binding.name.utf8), keyVersion: "1"))
        }
    }

    func generateDataKey(for binding: Binding) async throws(KeyManagerError) -> DataKey {
        DataKey(key: SharedSecret(copying: [1]), recipient: sampleRecipient)
    }
    func wrap(_ dataKey: SharedSecret, for binding: Binding) async throws(KeyManagerError) -> Recipient {
        sampleRecipient
    }
    func unwrap(_ recipient: Recipient, for binding: Binding) async throws(KeyManagerError) -> UnwrappedKey {
        UnwrappedKey(key: SharedSecret(copying: [1]))
    }
}
