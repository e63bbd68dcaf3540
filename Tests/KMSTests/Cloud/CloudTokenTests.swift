import Concurrency
import Cryptography
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

struct CloudTokenChainTests {
    private static let none = FakeTokenSource(name: "none") { () throws(CloudError) in nil }

    private func chain(_ sources: any CloudTokenSource...) -> CloudTokenChain {
        CloudTokenChain(name: "test credentials", sources: sources, remedy: "set some")
    }

    @Test func takesTheFirstConfiguredSource() async throws {
        let one = FakeTokenSource { () throws(CloudError) in .test("one") }
        let two = FakeTokenSource { () throws(CloudError) in .test("two") }
        #expect(try await chain(Self.none, one, two).token()?.value.text == "one")
    }

    @Test func aConfiguredSourceThatFailsEndsTheSearch() async {
        let broken = FakeTokenSource { () throws(CloudError) in throw CloudError(.accessDenied, "broken") }
        let other = FakeTokenSource { () throws(CloudError) in .test("another identity") }
        let error = await cloudError { () throws(CloudError) in try await chain(broken, other).token() }
        #expect(error == CloudError(.accessDenied, "broken"))
    }

    @Test func namesAllSourcesIfNoneIsConfigured() async {
        let error = await cloudError { () throws(CloudError) in
            try await chain(Self.none, Self.none).token()
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message == "no test credentials are configured (none, none); set some")
    }

    @Test func aFailureOfAnImplicitSourceNamesTheOthers() async {
        let implicit = FakeTokenSource(name: "metadata", isImplicit: true) { () throws(CloudError) in
            throw CloudError(.unavailable, "metadata: no response", retryAfter: .seconds(1))
        }
        let error = await cloudError { () throws(CloudError) in try await chain(Self.none, implicit).token() }
        #expect(error?.code == .unavailable)
        #expect(error?.retryAfter == .seconds(1))
        #expect(
            error?.message == "no test credentials are configured (none), and metadata: no response; set some"
        )
    }
}

struct RefreshingCloudTokenTests {
    private let clock = ManualClientClock()
    private let count = Locked(0)

    private func tokens(lifetime: Duration?, refreshAfter: Duration? = nil) -> RefreshingCloudToken {
        let count = count
        return RefreshingCloudToken(
            FakeTokenSource { () throws(CloudError) in
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                var token = CloudToken.test("t\(number)", lifetime: lifetime)
                token.refreshAfter = refreshAfter
                return token
            }, now: clock.clock.now)
    }

    @Test func fetchesOnceForManyTasks() async throws {
        let tokens = tokens(lifetime: .seconds(3600))
        let texts = await mapConcurrently(Array(0..<50), limit: 50) { _ in
            try? await tokens.token().value.value.text
        }
        #expect(Set(texts) == ["t1"])
        #expect(count.withLock { $0 } == 1)
    }

    @Test func servesATokenUntilShortlyBeforeItsEnd() async throws {
        let tokens = tokens(lifetime: .seconds(3600))
        _ = try await tokens.token()
        clock.advance(by: .seconds(3300))
        #expect(try await tokens.token().value.value.text == "t1")
        #expect(count.withLock { $0 } == 1)
        clock.advance(by: .seconds(290))
        // Its last seconds are not enough for a request.
        #expect(try await tokens.token().value.value.text == "t2")
    }

    @Test func refreshesWhenTheIssuerAsks() async throws {
        let tokens = tokens(lifetime: .seconds(86_400), refreshAfter: .seconds(43_200))
        _ = try await tokens.token()
        clock.advance(by: .seconds(43_100))
        _ = try await tokens.token()
        #expect(count.withLock { $0 } == 1)
        clock.advance(by: .seconds(200))
        // The old token serves while the next one is fetched.
        #expect(try await tokens.token().value.value.text == "t1")
        // A refresh that is not under way would leave the old token.
        for _ in 0..<1000 where try await tokens.token().value.value.text == "t1" {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await tokens.token().value.value.text == "t2")
        #expect(count.withLock { $0 } == 2)
    }

    @Test func aDenialReplacesTheTokenOnce() async throws {
        let tokens = tokens(lifetime: .seconds(3600))
        let response = CloudResponse(.init(status: .unauthorized), body: SecretBytes(copying: []))
        let first = try await tokens.token()
        #expect(tokens.recordDenial(of: first, by: response))
        let second = try await tokens.token()
        #expect(second.value.value.text == "t2")
        // A late denial of the first token says nothing about the second.
        #expect(tokens.recordDenial(of: first, by: response))
        #expect(try await tokens.token().value.value.text == "t2")
        // A service that denies every token must not cause a fetch for each request.
        #expect(!tokens.recordDenial(of: second, by: response))
        #expect(try await tokens.token().value.value.text == "t2")
    }
}
