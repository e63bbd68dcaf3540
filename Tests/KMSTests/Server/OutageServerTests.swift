import Cryptography
import Envelope
import System
import TestSupport
import Testing

@testable import KMS

/// A server in an outage, and the number of requests for many unwraps.
@Suite(.enabled(if: OpenBao.isAvailable), .serialized)
struct OutageServerTests {
    @Test func sendsAThousandUnwrapsInFewRequests() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let samples = try await Self.samples(1000, in: bao)
        let manager = BatchingKeyManager(try bao.manager())
        let served = await Self.unwrap(samples, with: manager, workers: 256) {
            try? await Task.sleep(for: .milliseconds(40))
        }
        #expect(served == 1000)
        let requests = try bao.requests("transit/decrypt/sb-wrap")
        #expect(requests <= 20)
        print("1,000 unwraps by 256 workers: \(requests) decrypt requests")
    }

    @Test func recoversWhenASealedServerIsUnsealed() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let samples = try await Self.samples(4, in: bao)
        let manager = BatchingKeyManager(try bao.manager())
        let recoveries = Recorder<ContinuousClock.Instant>()
        let maintenance = Task { await manager.maintain { recoveries.append(.now) } }
        defer { maintenance.cancel() }
        try await bao.post("sys/seal")
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(samples[0].recipient, for: samples[0].binding)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("is sealed") == true)
        for _ in 0..<200 {
            _ = await Self.unwrap(samples, with: manager, workers: 4) {}
            try await Task.sleep(for: .milliseconds(30))
        }
        #expect(recoveries.elements.isEmpty)
        try await bao.post("sys/unseal", ["key": .string(bao.unsealKey)])
        let restored = ContinuousClock.now
        await recoveries.wait(for: 1)
        let delay = recoveries.elements[0] - restored
        #expect(delay < .seconds(10))
        #expect(await Self.unwrap(samples, with: manager, workers: 4) {} == 4)
        print("recovered \(delay) after the server was unsealed")
    }

    /// The server accepts connections and does not respond.
    @Test func recoversWhenAFrozenServerResumes() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let samples = try await Self.samples(2, in: bao)
        let manager = BatchingKeyManager(try bao.manager())
        let recoveries = Recorder<ContinuousClock.Instant>()
        let maintenance = Task { await manager.maintain { recoveries.append(.now) } }
        defer { maintenance.cancel() }
        bao.freeze()
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(samples[0].recipient, for: samples[0].binding)
        }
        #expect(error?.code == .unavailable)
        try await Task.sleep(for: .seconds(4))
        bao.resume()
        let restored = ContinuousClock.now
        await recoveries.wait(for: 1)
        #expect(recoveries.elements[0] - restored < .seconds(10))
        #expect(await Self.unwrap(samples, with: manager, workers: 2) {} == 2)
    }

    @Test func failsFastWhileTheServerIsStopped() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let samples = try await Self.samples(1, in: bao)
        let manager = BatchingKeyManager(try bao.manager())
        bao.stop()
        let start = ContinuousClock.now
        for _ in 0..<50 {
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(samples[0].recipient, for: samples[0].binding)
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("SB_KMS_VAULT_ADDR") == true)
        }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    private static func samples(_ count: Int, in bao: OpenBao) async throws -> [WrappedSample] {
        let manager = try bao.manager()
        return try await withThrowingTaskGroup(of: WrappedSample.self) { group in
            for index in 0..<count {
                group.addTask {
                    let binding = try binding("s\(index)", namespace: "n\(index % 10)")
                    let key = SharedSecret(try SecretBytes.random(count: 32))
                    return WrappedSample(
                        binding: binding, key: key, recipient: try await manager.wrap(key, for: binding))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// Unwraps as the controller does: each worker unwraps one data key and then does other work.
    private static func unwrap(
        _ samples: [WrappedSample], with manager: some KeyManager, workers: Int,
        then: @escaping @Sendable () async -> Void
    ) async -> Int {
        let rest = Locked(samples)
        return await withTaskGroup(of: Int.self) { group in
            for _ in 0..<workers {
                group.addTask {
                    var served = 0
                    while let sample = rest.withLock({ $0.popLast() }) {
                        let key = try? await manager.unwrap(sample.recipient, for: sample.binding).key
                        if key?.equals(sample.key) == true { served += 1 }
                        await then()
                    }
                    return served
                }
            }
            return await group.reduce(0, +)
        }
    }
}

struct WrappedSample: Sendable {
    let binding: Binding
    let key: SharedSecret
    let recipient: Recipient
}
