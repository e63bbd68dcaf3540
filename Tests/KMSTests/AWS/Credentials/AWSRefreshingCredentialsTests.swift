import Cryptography
import Foundation
import System
import TestSupport
import Testing

@testable import KMS

struct AWSRefreshingCredentialsTests {
    /// The time that has passed on both clocks.
    private let passed = Locked(0.0)
    private let start = (instant: ContinuousClock.now, date: Date(timeIntervalSince1970: 1_800_000_000))

    private func pass(_ seconds: Double) { passed.withLock { $0 += seconds } }

    private func provider(_ source: ScriptedSource) -> RefreshingAWSCredentials {
        RefreshingAWSCredentials(
            source,
            clocks: .init(
                now: { [passed, start] in start.instant + .seconds(passed.withLock { $0 }) },
                date: { [passed, start] in start.date + passed.withLock { $0 } }))
    }

    /// Makes credentials that expire in `seconds`.
    private func keys(_ id: String, _ seconds: Double? = 3600) -> AWSCredentials {
        AWSCredentials(
            accessKeyID: id, secretAccessKey: SharedSecret(copying: "secret".utf8), sessionToken: nil,
            expiration: seconds.map { start.date + passed.withLock { $0 } + $0 })
    }

    private static let outage = AWSCredentialsError(.unavailable, "away")

    @Test func fetchesOnceForAHundredTasks() async throws {
        let gate = Gate()
        let source = ScriptedSource { [self] _ in
            await gate.wait()
            return .success(keys("AKID1"))
        }
        let provider = provider(source)
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<100 { group.addTask { try await provider.credentials().accessKeyID } }
            await eventually { !source.calls.elements.isEmpty }
            gate.open()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ids == Array(repeating: "AKID1", count: 100))
        #expect(source.calls.elements.count == 1)
    }

    /// The fetch continues, and serves the other tasks and later ones.
    @Test func cancellationAffectsOneWaitingTask() async throws {
        let gate = Gate()
        let source = ScriptedSource { [self] _ in
            await gate.wait()
            return .success(keys("AKID1"))
        }
        let provider = provider(source)
        let first = Task { try await provider.credentials() }
        await eventually { !source.calls.elements.isEmpty }
        let other = Task { try await provider.credentials().accessKeyID }
        for _ in 0..<200 { await Task.yield() }
        first.cancel()
        let error = await #expect(throws: AWSCredentialsError.self) { try await first.value }
        #expect(error?.code == .cancelled)
        gate.open()
        #expect(try await other.value == "AKID1")
        #expect(try await provider.credentials().accessKeyID == "AKID1")
        #expect(source.calls.elements.count == 1)
    }

    @Test func cancelledTaskDoesNotWait() async throws {
        let gate = Gate()
        let provider = provider(
            ScriptedSource { [self] _ in
                await gate.wait()
                return .success(keys("AKID1"))
            })
        let waiter = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await provider.credentials()
        }
        await #expect(throws: AWSCredentialsError.self) { try await waiter.value }
        gate.open()
    }

    @Test func servesOldCredentialsWhileARefreshFails() async throws {
        let source = ScriptedSource { [self] call in
            switch call {
            case 1: .success(keys("AKID1"))
            case 2: .failure(Self.outage)
            default: .success(keys("AKID2"))
            }
        }
        let provider = provider(source)
        #expect(try await provider.credentials().accessKeyID == "AKID1")
        pass(3000)
        #expect(try await provider.credentials().accessKeyID == "AKID1")
        await eventually { source.ends.elements.count == 2 }
        #expect(try await provider.credentials().accessKeyID == "AKID1")
        #expect(source.calls.elements.count == 2)
        pass(120)
        #expect(try await provider.credentials().accessKeyID == "AKID1")
        await eventually { try await provider.credentials().accessKeyID == "AKID2" }
        #expect(source.calls.elements.count == 3)
    }

    /// The error of a failing source is repeated without a fetch each time.
    @Test func repeatsTheErrorUntilTheNextFetch() async throws {
        let source = ScriptedSource { [self] call in
            switch call {
            case 1: .success(keys("AKID1"))
            case 2...4: .failure(Self.outage)
            default: .success(keys("AKID2"))
            }
        }
        let provider = provider(source)
        _ = try await provider.credentials()
        pass(3595)
        await #expect(throws: Self.outage) { try await provider.credentials() }
        await #expect(throws: Self.outage) { try await provider.credentials() }
        #expect(source.calls.elements.count == 2)
        for _ in 0..<2 {
            pass(6)
            await #expect(throws: Self.outage) { try await provider.credentials() }
        }
        pass(6)
        #expect(try await provider.credentials().accessKeyID == "AKID2")
    }

    @Test func replacesRejectedCredentialsOnce() async throws {
        let source = ScriptedSource { [self] call in .success(keys("AKID\(call)")) }
        let provider = provider(source)
        let first = try await provider.credentials()
        #expect(provider.invalidate(first) == true)
        let second = try await provider.credentials()
        #expect(second.accessKeyID == "AKID2")
        // A late response rejects the old credentials again.
        #expect(provider.invalidate(first) == true)
        #expect(try await provider.credentials().accessKeyID == "AKID2")
        // The new credentials are rejected too; they are not replaced at once.
        #expect(provider.invalidate(second) == false)
        #expect(try await provider.credentials().accessKeyID == "AKID2")
        #expect(source.calls.elements.count == 2)
        pass(11)
        #expect(provider.invalidate(second) == true)
        #expect(try await provider.credentials().accessKeyID == "AKID3")
    }

    @Test func rejectsCredentialsThatAreAlreadyExpired() async throws {
        let provider = provider(ScriptedSource { [self] _ in .success(keys("AKID1", -3)) })
        let error = await #expect(throws: AWSCredentialsError.self) { try await provider.credentials() }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("check this machine's clock") == true)
    }

    @Test func fetchesCredentialsWithoutExpirationOnce() async throws {
        let source = ScriptedSource { [self] _ in .success(keys("AKID1", nil)) }
        let provider = provider(source)
        for _ in 0..<3 {
            #expect(try await provider.credentials().accessKeyID == "AKID1")
            pass(1e8)
        }
        #expect(source.calls.elements.count == 1)
    }
}

/// Returns the result that a test defines for each call.
struct ScriptedSource: AWSCredentialsSource {
    let name: String
    let isImplicit: Bool
    let calls = Recorder<Int>()
    let ends = Recorder<Int>()
    private let answer: @Sendable (Int) async -> Result<AWSCredentials?, AWSCredentialsError>

    init(
        _ name: String = "scripted", isImplicit: Bool = false,
        _ answer: @escaping @Sendable (Int) async -> Result<AWSCredentials?, AWSCredentialsError>
    ) {
        self.name = name
        self.isImplicit = isImplicit
        self.answer = answer
    }

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        calls.append(1)
        let result = await answer(calls.elements.count)
        defer { ends.append(1) }
        return try result.get()
    }
}
