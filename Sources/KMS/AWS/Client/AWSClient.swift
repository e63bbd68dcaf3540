import Cryptography
import Envelope
import FoundationEssentials
import HTTP
import HTTPTypes
import System

/// Sends calls to one service in one Region: signed, within a deadline, repeated where that helps, no faster than
/// the pace allows. Safe to use from many tasks; what is learned about the clock and about failures is shared.
final class AWSClient: Sendable {
    let service: AWSService
    let region: AWSRegion
    let address: ServerAddress
    private let transport: any HTTPTransport
    private let credentials: any AWSCredentialsProvider
    private let pacer: AWSRateLimiter?
    private let clock: AWSClock
    private let observer: (any KeyManagerObserver)?
    private let skew = Locked(AWSClockSkew())
    private let budget = Locked(AWSRetryBudget())

    private static let maximumAnswer = 1 << 20
    /// A connection that hangs leaves time for another.
    private static let longestAttempt = Duration.seconds(6)

    init(
        _ service: AWSService, in region: AWSRegion, at address: ServerAddress, transport: any HTTPTransport,
        credentials: any AWSCredentialsProvider, pacer: AWSRateLimiter? = nil, clock: AWSClock = AWSClock(),
        observer: (any KeyManagerObserver)? = nil
    ) {
        self.service = service
        self.region = region
        self.address = address
        self.transport = transport
        self.credentials = credentials
        self.pacer = pacer
        self.clock = clock
        self.observer = observer
    }

    /// The answer, which is a success.
    func send(_ call: AWSRequest) async throws(AWSRequestError) -> AWSResponse {
        let deadline = clock.now() + call.timeout
        var attempts = AWSRetryState()
        var last: AWSRequestError?
        // What is left of the call's time; when that is nothing, the last failure is what there is to say.
        func left() throws(AWSRequestError) -> Duration {
            let left = clock.now().duration(to: deadline)
            guard left > .zero else { throw last ?? lateness(call) }
            return left
        }
        while true {
            let credentials = try await credentials(within: left(), call)
            try await pacer?.acquire(within: left())
            let failure: Failure
            switch await attempt(call, with: credentials, within: min(try left(), Self.longestAttempt)) {
            case .success(let answer):
                budget.withLock { attempts.recordSuccess(budget: &$0) }
                return answer
            case .failure(let reason): failure = reason
            }
            guard let trouble = failure.trouble,
                case .retry(let delay) = budget.withLock({ attempts.decide(after: trouble, budget: &$0) }),
                delay < clock.now().duration(to: deadline)
            else { throw failure.error }
            last = failure.error
            guard delay > .zero else { continue }
            do {
                try await clock.sleep(delay)
            } catch {
                throw AWSRequestError(.cancelled, "cancelled while waiting to repeat \(call.action)")
            }
        }
    }

    /// Why an attempt failed; `trouble` nil: for good.
    private struct Failure: Error {
        let error: AWSRequestError
        let trouble: AWSRetryState.RetryableError?
    }

    private func attempt(
        _ call: AWSRequest, with credentials: AWSCredentials, within timeout: Duration
    ) async -> Result<AWSResponse, Failure> {
        let request = KeyManagerOperation(awsAction: call.action).map {
            KeyManagerRequest($0, keyID: "aws-kms", observer: observer)
        }
        let result = await exchange(call, with: credentials, within: timeout)
        switch result {
        case .success: request?.complete()
        case .failure(let failure): request?.complete([KeyManagerError(failure.error, keyID: "aws-kms").code])
        }
        return result
    }

    private func exchange(
        _ call: AWSRequest, with credentials: AWSCredentials, within timeout: Duration
    ) async -> Result<AWSResponse, Failure> {
        var request = HTTPClientRequest(
            method: .post, url: "\(address.url)/", fields: call.fields, body: .secret(call.body),
            timeout: timeout)
        let offset = skew.withLock { $0.offset }
        do {
            request = try SigV4Signer(region: region.name, service: service.signingName)
                .sign(request, with: credentials, at: clock.date() + offset)
        } catch {
            let error = AWSRequestError(.misconfigured, "\(call.action) cannot be signed: \(error)")
            return .failure(Failure(error: error, trouble: nil))
        }
        let answer: AWSResponse
        do throws(HTTPError) {
            let (head, body) = try await transport.sendCollectingSecret(request, upTo: Self.maximumAnswer)
            answer = AWSResponse(head, body: body.bytes)
        } catch {
            let trouble: AWSRetryState.RetryableError? =
                switch error.code {
                case .timedOut, .connectTimedOut: .timeout
                default: error.isRetryable ? .outage(retryAfter: nil) : nil
                }
            return .failure(Failure(error: AWSRequestError(error, self), trouble: trouble))
        }
        guard !answer.isSuccess else { return .success(answer) }
        let error = answer.makeError(call, at: self)
        return .failure(Failure(error: error, trouble: trouble(error, answer, credentials, offset)))
    }

    /// Whether the call may do better next time, having done what there is to do about it.
    private func trouble(
        _ error: AWSRequestError, _ answer: AWSResponse, _ credentials: AWSCredentials, _ offset: Double
    ) -> AWSRetryState.RetryableError? {
        guard case .errorResponse(let kind) = error.code else { return nil }
        switch kind {
        case .throttled:
            pacer?.recordThrottling()
            return .throttled(retryAfter: error.retryAfter)
        case .outage: return .outage(retryAfter: error.retryAfter)
        case .invalidCredentials: return self.credentials.invalidate(credentials) ? .credentialsReplaced : nil
        case .signatureMismatch, .clockSkew:
            let now = clock.date()
            let date = answer.fields[.date]
            let isWorthIt = skew.withLock { $0.update(from: kind, used: offset, date: date, now: now) }
            return isWorthIt ? .clockCorrected : nil
        default: return nil
        }
    }

    /// The provider has its own patience, which may be longer than what this call has left.
    private func credentials(
        within timeout: Duration, _ call: AWSRequest
    ) async throws(AWSRequestError) -> AWSCredentials {
        let provider = credentials
        let result = await withTaskGroup(of: Result<AWSCredentials, AWSCredentialsError>?.self) { group in
            group.addTask {
                do throws(AWSCredentialsError) {
                    return .success(try await provider.credentials())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                try? await Task.sleep(for: timeout)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        switch result {
        case .success(let credentials): return credentials
        case .failure(let error):
            throw AWSRequestError(.credentials(error.code), error.message, retryAfter: error.retryAfter)
        case nil where Task.isCancelled:
            throw AWSRequestError(.cancelled, "cancelled while waiting for AWS credentials")
        case nil:
            throw AWSRequestError(
                .credentials(.unavailable),
                "no AWS credentials came in time for \(call.action); it is tried again")
        }
    }

    private func lateness(_ call: AWSRequest) -> AWSRequestError {
        AWSRequestError(.unreachable, "no time was left to ask \(self) for \(call.action); it is tried again")
    }
}

extension AWSClient: CustomStringConvertible {
    /// `AWS KMS in eu-west-1 (https://kms.eu-west-1.amazonaws.com)`
    var description: String { "AWS \(service.title) in \(region) (\(address.url))" }
}
