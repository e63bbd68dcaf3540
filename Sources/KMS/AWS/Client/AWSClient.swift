import Cryptography
import Envelope
import FoundationEssentials
import HTTP
import HTTPTypes
import System

/// Sends signed requests to one service in one Region, with a deadline, retries and a rate limit. Safe to use from many
/// tasks, which share the clock skew and the retry budget.
final class AWSClient: Sendable {
    let service: AWSService
    let region: AWSRegion
    let address: ServerAddress
    private let transport: any HTTPTransport
    private let credentials: any AWSCredentialsProvider
    private let rateLimiter: AWSRateLimiter?
    private let clock: ClientClock
    private let observer: (any KeyManagerObserver)?
    private let skew = Locked(AWSClockSkew())
    private let retrier: RequestRetrier

    private static let maximumResponseSize = 1 << 20
    /// Leaves time for a second attempt after a connection that hangs.
    private static let attemptTimeout = Duration.seconds(6)

    init(
        _ service: AWSService, in region: AWSRegion, at address: ServerAddress, transport: any HTTPTransport,
        credentials: any AWSCredentialsProvider, rateLimiter: AWSRateLimiter? = nil,
        clock: ClientClock = ClientClock(), observer: (any KeyManagerObserver)? = nil
    ) {
        self.service = service
        self.region = region
        self.address = address
        self.transport = transport
        self.credentials = credentials
        self.rateLimiter = rateLimiter
        self.clock = clock
        self.observer = observer
        retrier = RequestRetrier(clock: clock)
    }

    /// Sends a request, with retries until `request.timeout` has passed.
    ///
    /// - Returns: A response with a 2xx status.
    func send(_ request: AWSRequest) async throws(AWSRequestError) -> AWSResponse {
        try await retrier.run(
            within: request.timeout, expired: deadlineExceeded(request),
            cancelled: AWSRequestError(.cancelled, "cancelled while waiting to repeat \(request.action)")
        ) { deadline throws(AttemptFailure) in
            let credentials = try await credentials(within: try deadline.remaining(), request)
            let remaining = try deadline.remaining()
            do throws(AWSRequestError) {
                try await rateLimiter?.acquire(within: remaining)
            } catch {
                throw AttemptFailure(error: error)
            }
            return try await attempt(
                request, with: credentials, within: min(try deadline.remaining(), Self.attemptTimeout)
            ).get()
        }
    }

    private typealias AttemptFailure = KMS.AttemptFailure<AWSRequestError>

    private func attempt(
        _ request: AWSRequest, with credentials: AWSCredentials, within timeout: Duration
    ) async -> Result<AWSResponse, AttemptFailure> {
        let observation = KeyManagerOperation(awsAction: request.action).map {
            KeyManagerRequest($0, keyID: "aws-kms", observer: observer)
        }
        let result = await sendOnce(request, with: credentials, within: timeout)
        switch result {
        case .success: observation?.complete()
        case .failure(let failure):
            observation?.complete([KeyManagerError(failure.error, keyID: "aws-kms").code])
        }
        return result
    }

    private func sendOnce(
        _ request: AWSRequest, with credentials: AWSCredentials, within timeout: Duration
    ) async -> Result<AWSResponse, AttemptFailure> {
        var httpRequest = HTTPClientRequest(
            method: .post, url: "\(address.url)/", fields: request.fields, body: .secret(request.body),
            timeout: timeout)
        let offset = skew.withLock { $0.offset }
        do {
            httpRequest = try SigV4Signer(region: region.name, service: service.signingName)
                .sign(httpRequest, with: credentials, at: clock.date() + offset)
        } catch {
            let error = AWSRequestError(.misconfigured, "\(request.action) cannot be signed: \(error)")
            return .failure(AttemptFailure(error: error, retryCause: nil))
        }
        let response: AWSResponse
        do throws(HTTPError) {
            let (head, body) = try await transport.sendCollectingSecret(
                httpRequest, upTo: Self.maximumResponseSize)
            response = AWSResponse(head, body: body.bytes)
        } catch {
            let cause: RetryState.RetryableError? =
                switch error.code {
                case .timedOut, .connectTimedOut: .timeout
                default: error.isRetryable ? .outage(retryAfter: nil) : nil
                }
            return .failure(AttemptFailure(error: AWSRequestError(error, self), retryCause: cause))
        }
        guard !response.isSuccess else { return .success(response) }
        let error = response.makeError(for: request, from: self)
        return .failure(
            AttemptFailure(error: error, retryCause: retryCause(error, response, credentials, offset)))
    }

    /// Reacts to an error response: slows down, discards credentials or corrects the clock.
    ///
    /// - Returns: Nil if another attempt would fail too.
    private func retryCause(
        _ error: AWSRequestError, _ response: AWSResponse, _ credentials: AWSCredentials, _ offset: Double
    ) -> RetryState.RetryableError? {
        guard case .errorResponse(let category) = error.code else { return nil }
        switch category {
        case .throttled:
            rateLimiter?.recordThrottling()
            return .throttled(retryAfter: error.retryAfter)
        case .outage, .keyStoreOutage: return .outage(retryAfter: error.retryAfter)
        case .invalidCredentials: return self.credentials.invalidate(credentials) ? .credentialsReplaced : nil
        case .signatureMismatch, .clockSkew:
            let now = clock.date()
            let date = response.fields[.date]
            let isChanged = skew.withLock { $0.update(from: category, used: offset, date: date, now: now) }
            return isChanged ? .clockCorrected : nil
        default: return nil
        }
    }

    /// Waits for the provider no longer than this request may take; the provider's own timeouts may be longer.
    private func credentials(
        within timeout: Duration, _ request: AWSRequest
    ) async throws(AttemptFailure) -> AWSCredentials {
        let provider = credentials
        let result = await firstResult(within: timeout) { () throws(AWSCredentialsError) in
            try await provider.credentials()
        }
        switch result {
        case .success(let credentials): return credentials
        case .failure(let error):
            throw AttemptFailure(
                error: AWSRequestError(.credentials(error.code), error.message, retryAfter: error.retryAfter))
        case nil where Task.isCancelled:
            throw AttemptFailure(
                error: AWSRequestError(.cancelled, "cancelled while waiting for AWS credentials"))
        case nil:
            throw AttemptFailure(
                error: AWSRequestError(
                    .credentials(.unavailable),
                    "no AWS credentials arrived in time for \(request.action); the request will be retried"))
        }
    }

    private func deadlineExceeded(_ request: AWSRequest) -> AWSRequestError {
        AWSRequestError(
            .unreachable,
            "\(self): the deadline passed before \(request.action) was sent; the request will be retried")
    }
}

extension AWSClient: CustomStringConvertible {
    /// `AWS KMS in eu-west-1 (https://kms.eu-west-1.amazonaws.com)`
    var description: String { "AWS \(service.title) in \(region) (\(address.url))" }
}
