import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// The retries of a request: each is signed, and all share one deadline.
struct AWSClientTests {
    @Test func signsEachAttempt() async throws {
        let clock = ManualAWSClock()
        let transport = FakeTransport(script: [
            .kmsError("KMSInternalException", status: 500, fields: [.retryAfter: "1"]),
            .kmsError("ThrottlingException", fields: [.retryAfter: "2"]), .decrypted(),
        ])
        _ = try await awsKeyManager(transport, clock: clock).unwrap(awsRecipient, for: sampleBinding)
        #expect(
            transport.requests.map { $0.fields[.amzDate] }
                == ["20150830T123600Z", "20150830T123601Z", "20150830T123603Z"])
        #expect(Set(transport.requests.map(\.authorization)).count == 3)
        #expect(Set(transport.requests.map(\.text)).count == 1)
    }

    @Test func sharesOneDeadlineAmongAttempts() async throws {
        let clock = ManualAWSClock()
        let transport = FakeTransport { _ in
            clock.advance(by: .seconds(6))
            throw HTTPError(.timedOut, activity: "POST https://kms")
        }
        let manager = try awsKeyManager(transport, clock: clock)
        let start = clock.now
        _ = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(transport.requests.count == 3)
        #expect(clock.now - start < .seconds(19))
        // A probe has a shorter timeout.
        let probe = try UnwrapRequest(awsRecipient, binding())
        let before = transport.requests.count
        await #expect(throws: KeyManagerError.self) {
            try await manager.unwrap([probe], timeout: .seconds(3))
        }
        #expect(transport.requests.count == before + 1)
    }

    /// The last error of AWS is reported, and not the local rate limit.
    @Test func throwsTheLastErrorAtTheDeadline() async throws {
        let clock = ManualAWSClock()
        let transport = FakeTransport { _ in
            clock.advance(by: .seconds(14.95))
            throw HTTPError(.connectFailed, activity: "POST https://kms")
        }
        let manager = try awsKeyManager(transport, clock: clock)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("cannot connect") == true)
    }

    @Test func replacesExpiredCredentials() async throws {
        let credentials = ReplacedCredentials("AKIAOLD", "AKIANEW", "AKIANEVER")
        let transport = FakeTransport { request in
            request.authorization?.contains("AKIANEW") == true
                ? .decrypted() : .kmsError("ExpiredTokenException")
        }
        _ = try await awsKeyManager(transport, credentials: credentials).unwrap(
            awsRecipient, for: sampleBinding)
        #expect(transport.requests.count == 2)
        #expect(credentials.refusals.withLock { $0 } == ["AKIAOLD"])
    }

    @Test func givesUpAfterTheSecondRejectedCredentials() async throws {
        let credentials = ReplacedCredentials("A", "B", "C", "D")
        let transport = FakeTransport { _ in .kmsError("UnrecognizedClientException") }
        let manager = try awsKeyManager(transport, credentials: credentials)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(transport.requests.count == 2)
    }

    @Test func correctsTheClockOnceForAllRequests() async throws {
        let clock = ManualAWSClock()
        clock.set(Date(timeIntervalSince1970: 0))
        // Like AWS, it rejects dates that are more than five minutes off.
        let transport = FakeTransport { request in
            request.fields[.amzDate]?.hasPrefix("19941106T0849") == true
                ? .decrypted()
                : .kmsError(
                    "InvalidSignatureException", fields: [.date: "Sun, 06 Nov 1994 08:49:37 GMT"])
        }
        let manager = try awsKeyManager(transport, clock: clock)
        _ = try await manager.unwrap(awsRecipient, for: sampleBinding)
        #expect(transport.requests.count == 2)
        _ = try await manager.unwrap(awsRecipient, for: sampleBinding)
        #expect(transport.requests.count == 3)
    }

    /// With a wrong clock, all requests are in flight before the first one is rejected.
    @Test func correctsTheClockOfConcurrentRequests() async throws {
        let clock = ManualAWSClock()
        clock.set(Date(timeIntervalSince1970: 0))
        let gate = Gate()
        let transport = FakeTransport { request in
            if request.fields[.amzDate]?.hasPrefix("19941106T0849") == true { return .decrypted() }
            await gate.wait()
            return .kmsError("InvalidSignatureException", fields: [.date: "Sun, 06 Nov 1994 08:49:37 GMT"])
        }
        let manager = try awsKeyManager(transport, clock: clock)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<10 {
                group.addTask { _ = try await manager.unwrap(awsRecipient, for: binding("s\(index)")) }
            }
            while transport.requests.count < 10 { await Task.yield() }
            gate.open()
            try await group.waitForAll()
        }
        #expect(transport.requests.count == 20)
    }

    @Test func doesNotRetryASignatureMismatchWithoutSkew() async throws {
        let transport = FakeTransport { _ in
            .kmsError("RequestTimeTooSkewed", fields: [.date: "Sun, 06 Nov 1994 08:49:37 GMT"])
        }
        let manager = try awsKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(transport.requests.count == 2)
    }

    @Test func throttlingDelaysAllRequests() async throws {
        let clock = ManualAWSClock()
        let throttles = Locked(1)
        let transport = FakeTransport { _ in
            let isThrottled = throttles.withLock { left in
                left -= 1
                return left >= 0
            }
            return isThrottled ? .kmsError("ThrottlingException", fields: [.retryAfter: "0"]) : .decrypted()
        }
        let manager = try awsKeyManager(transport, clock: clock)
        _ = try await manager.unwrap(awsRecipient, for: sampleBinding)
        let before = clock.sleeps.count
        for _ in 0..<3 { _ = try await manager.unwrap(awsRecipient, for: sampleBinding) }
        #expect(clock.sleeps.count == before + 3)
        #expect(clock.sleeps.suffix(3).allSatisfy { $0 > .milliseconds(100) })
    }

    @Test func rejectsRequestsAboveTheRateLimitAtOnce() async throws {
        let clock = ManualAWSClock()
        let transport = FakeTransport { _ in .decrypted() }
        let settings = try AWSSettings.load(
            from: Environment(["SB_KMS_AWS_KEY_ID": awsARN, "SB_KMS_AWS_MAX_RPS": "1"]))
        // The clock stands still: all requests start at the same moment.
        var standing = clock.clock
        standing.sleep = { _ in }
        let manager = AWSKeyManager(
            settings, credentials: StaticCredentials(value: testCredentials()), transport: transport,
            clock: standing)
        var errors: [KeyManagerError] = []
        for _ in 0..<20 {
            if let error = await keyManagerError({ () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: sampleBinding)
            }) {
                errors.append(error)
            }
        }
        #expect(transport.requests.count == 16)
        #expect(errors.count == 4)
        #expect(errors.allSatisfy { $0.code == .throttled })
        #expect(errors.allSatisfy { $0.message.contains("SB_KMS_AWS_MAX_RPS") })
        #expect(errors.first?.retryAfter.map { $0 >= .seconds(14) } == true)
    }

    @Test func cancellationEndsTheDelayBetweenAttempts() async throws {
        let transport = FakeTransport { _ in .kmsError("KMSInternalException", status: 500) }
        var clock = ClientClock()
        let sleeping = Gate()
        // A busy machine must not let the deadline pass before the first attempt.
        let start = ContinuousClock.now
        clock.now = { start }
        clock.sleep = { _ in
            sleeping.open()
            try await Task.sleep(for: .seconds(600))
        }
        let settings = try AWSSettings.load(from: Environment(["SB_KMS_AWS_KEY_ID": awsARN]))
        let manager = AWSKeyManager(
            settings, credentials: StaticCredentials(value: testCredentials()), transport: transport,
            clock: clock)
        let call = Task {
            // An attempt that exceeds its deadline must not leave the test waiting.
            defer { sleeping.open() }
            return await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(awsRecipient, for: sampleBinding)
            }
        }
        await sleeping.wait()
        call.cancel()
        #expect(await call.value?.code == .cancelled)
        #expect(transport.requests.count == 1)
    }

    @Test func endsAtTheDeadlineWhileCredentialsHang() async throws {
        struct Hanging: AWSCredentialsProvider {
            func credentials() async throws(AWSCredentialsError) -> AWSCredentials {
                try? await Task.sleep(for: .seconds(600))
                throw AWSCredentialsError(.cancelled, "cancelled")
            }
            func invalidate(_ credentials: AWSCredentials) -> Bool { false }
        }
        let manager = try awsKeyManager(FakeTransport { _ in .decrypted() }, credentials: Hanging())
        let probe = try UnwrapRequest(awsRecipient, binding())
        do {
            _ = try await manager.unwrap([probe], timeout: .milliseconds(50))
            Issue.record("served")
        } catch {
            #expect(error.code == .unavailable)
            #expect(error.message.contains("no AWS credentials arrived in time"))
        }
    }
}
