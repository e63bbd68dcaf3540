import Concurrency
import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import JSON
import System
import TestSupport

@testable import KMS

/// A clock that advances only by sleeping.
final class ManualClientClock: Sendable {
    private struct State {
        var elapsed = Duration.zero
        var sleeps: [Duration] = []
    }

    private let state = Locked(State())
    private let start = ContinuousClock.now
    private let date: Date

    init(date: Date = Date(timeIntervalSince1970: 1_795_924_800)) { self.date = date }

    var sleeps: [Duration] { state.withLock { $0.sleeps } }
    var now: ContinuousClock.Instant { start + state.withLock { $0.elapsed } }
    func advance(by duration: Duration) { state.withLock { $0.elapsed += duration } }

    var clock: ClientClock {
        ClientClock(
            date: { [self] in date + Double(state.withLock { $0.elapsed }.components.seconds) },
            now: { [self] in now },
            sleep: { [self] duration in
                try Task.checkCancellation()
                state.withLock {
                    $0.sleeps.append(duration)
                    $0.elapsed += duration
                }
            })
    }
}

/// Gives one token after the other: the next after each denial.
final class FakeTokens: CloudTokenProvider {
    private struct State {
        var rest: [String]
        var generation: UInt64 = 1
        var denied: [String] = []
        var accepted: [String] = []
    }

    private let state: Locked<State>

    init(_ tokens: String...) { state = Locked(State(rest: tokens)) }

    var denied: [String] { state.withLock { $0.denied } }
    var accepted: [String] { state.withLock { $0.accepted } }

    func token() async throws(CloudError) -> Refreshed<CloudToken> {
        let (first, generation) = state.withLock { ($0.rest.first, $0.generation) }
        guard let first else { throw CloudError(.misconfigured, "there are no tokens left") }
        return Refreshed(
            value: CloudToken(value: SharedSecret(copying: first.utf8), lifetime: .seconds(3600)),
            generation: generation)
    }

    func recordDenial(of token: Refreshed<CloudToken>, by response: CloudResponse) -> Bool {
        state.withLock { state in
            state.denied.append(token.value.value.text)
            guard state.rest.count > 1 else { return false }
            if token.generation == state.generation {
                state.rest.removeFirst()
                state.generation += 1
            }
            return true
        }
    }

    func recordSuccess(of token: Refreshed<CloudToken>) {
        state.withLock { $0.accepted.append(token.value.value.text) }
    }
}

/// A source that runs a closure.
struct FakeTokenSource: CloudTokenSource {
    var name = "fake"
    var isImplicit = false
    let get: @Sendable () async throws(CloudError) -> CloudToken?

    func token() async throws(CloudError) -> CloudToken? { try await get() }
}

extension CloudToken {
    static func test(_ text: String, lifetime: Duration? = .seconds(3600)) -> CloudToken {
        CloudToken(value: SharedSecret(copying: text.utf8), lifetime: lifetime)
    }
}

func cloudError<Value>(_ body: () async throws(CloudError) -> Value) async -> CloudError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}

extension FakeTransport.Request {
    /// The fields of a form.
    var form: [String: String] {
        Dictionary(
            text.split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                return (parts[0], parts.count > 1 ? parts[1].removingPercentEncoding ?? "" : "")
            }, uniquingKeysWith: { $1 })
    }

    var json: AnyJSON? { try? AnyJSON(body) }
}

extension FakeTransport.Response {
    static func json(_ value: AnyJSON, _ status: Int = 200, fields: HTTPFields = [:]) -> Self {
        .init(status, String(decoding: (try? value.data()) ?? Data(), as: UTF8.self), fields: fields)
    }

    static func token(_ text: String, seconds: Int = 3600) -> Self {
        .json(["access_token": .string(text), "expires_in": .int(seconds), "token_type": "Bearer"])
    }
}
