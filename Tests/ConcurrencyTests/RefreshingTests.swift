import System
import TestSupport
import Testing

@testable import Concurrency

struct RefreshingTests {
    struct Failure: RefreshFailure, Equatable {
        var text: String
        var isOutage = false
    }

    private let clock = Locked(ContinuousClock.now)
    private func advance(_ seconds: Double) { clock.withLock { $0 += .seconds(seconds) } }

    private func token(
        renew: (@Sendable (String) async throws(Failure) -> Grant<String>)? = nil,
        fetch: @escaping @Sendable () async throws(Failure) -> Grant<String>
    ) -> Refreshing<String, Failure> {
        Refreshing(
            cancelled: Failure(text: "cancelled"), now: { [clock] in clock.withLock { $0 } }, renew: renew,
            fetch: fetch)
    }

    @Test func fetchesOnceForAllTasksThatWait() async throws {
        let fetches = Locked(0)
        let release = Promise<Void>()
        let token = token {
            fetches.withLock { $0 += 1 }
            await release.value(ifCancelled: ())
            return Grant("one", lifetime: .seconds(100))
        }
        let values = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<50 { group.addTask { try await token.value().value } }
            release.fulfill(())
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(values == ["one"])
        #expect(fetches.withLock { $0 } == 1)
    }

    @Test func aCancelledTaskDoesNotCancelTheFetch() async throws {
        let started = Recorder<Int>()
        let release = Promise<Void>()
        let token = token {
            started.append(1)
            await release.value(ifCancelled: ())
            return Grant("one", lifetime: .seconds(100))
        }
        let first = Task { try await token.value().value }
        await started.wait(for: 1)
        let second = Task { try await token.value().value }
        first.cancel()
        await #expect(throws: Failure(text: "cancelled")) { try await first.value }
        release.fulfill(())
        #expect(try await second.value == "one")
        #expect(started.elements.count == 1)
    }

    @Test func repeatsAFailureUntilTheNextFetchIsDue() async throws {
        let results = Locked<[Result<Grant<String>, Failure>]>([
            .failure(Failure(text: "down", isOutage: true)), .success(Grant("one", lifetime: nil)),
        ])
        let token = token { () throws(Failure) in
            try results.withLock { $0.removeFirst() }.get()
        }
        await #expect(throws: Failure(text: "down", isOutage: true)) { try await token.value() }
        await #expect(throws: Failure(text: "down", isOutage: true)) { try await token.value() }
        advance(1)
        #expect(try await token.value().value == "one")
    }

    @Test func renewsInTheBackgroundAndKeepsTheGeneration() async throws {
        let renewed = Recorder<String>()
        let token = token { value in
            renewed.append(value)
            return Grant("copy", lifetime: .seconds(100), isRenewable: true)
        } fetch: {
            Grant("one", lifetime: .seconds(100), isRenewable: true)
        }
        let first = try await token.value()
        advance(75)
        #expect(try await token.value().value == "one")
        await renewed.wait(for: 1)
        advance(50)
        let last = try await token.value()
        #expect(last.value == "one")
        #expect(last.generation == first.generation)
        #expect(renewed.elements == ["one"])
    }

    @Test func maintainRefreshesAValueThatNoTaskAsksFor() async throws {
        let fetched = Recorder<Int>()
        let token = Refreshing<Int, Failure>(cancelled: Failure(text: "cancelled")) {
            fetched.append(1)
            return Grant(fetched.elements.count, lifetime: .milliseconds(50))
        }
        #expect(try await token.value().value == 1)
        let maintenance = Task { await token.maintain() }
        await fetched.wait(for: 3)
        maintenance.cancel()
        await maintenance.value
    }

    @Test func fetchesAgainAfterADenial() async throws {
        let fetches = Locked(0)
        let token = token {
            Grant("\(fetches.withLock { $0 += 1; return $0 })", lifetime: .seconds(100))
        }
        let first = try await token.value()
        #expect(token.recordDenial(ofGeneration: first.generation))
        #expect(try await token.value().value == "2")
        #expect(token.recordDenial(of: { $0 == "1" }))
        #expect(try await token.value().value == "2")
        #expect(!token.recordDenial(of: { $0 == "2" }))
        token.recordSuccess(ofGeneration: 2)
        #expect(token.recordDenial(of: { $0 == "2" }))
        #expect(try await token.value().value == "3")
    }

    @Test func servesAnInitialValueWithoutAFetch() async throws {
        let token = Refreshing<String, Failure>(
            initial: Grant("known", lifetime: nil), cancelled: Failure(text: "cancelled")
        ) { () throws(Failure) in throw Failure(text: "not called") }
        #expect(try await token.value().value == "known")
    }
}
