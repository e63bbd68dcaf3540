import Concurrency
import Cryptography
import Envelope
import FoundationEssentials
import Glibc
import HTTP
import HTTPTypes
import JSON
import System

/// Sends JSON requests with a bearer token (RFC 6750) to one service, with a deadline and retries. Safe to use from many tasks,
/// which share the token and the retry budget.
final class CloudClient: Sendable {
    let service: any CloudService
    private let transport: any HTTPTransport
    private let tokens: any CloudTokenProvider
    private let observer: (any KeyManagerObserver)?
    private let clock: ClientClock
    private let retrier: RequestRetrier

    private static let maximumResponseSize = 1 << 20
    /// Leaves time for a second attempt after a connection that hangs.
    private static let attemptTimeout = Duration.seconds(6)

    init(
        _ service: any CloudService, transport: any HTTPTransport, tokens: any CloudTokenProvider,
        observer: (any KeyManagerObserver)? = nil, clock: ClientClock = ClientClock()
    ) {
        self.service = service
        self.transport = transport
        self.tokens = tokens
        self.observer = observer
        self.clock = clock
        retrier = RequestRetrier(clock: clock)
    }

    /// Sends a request, with retries until `request.timeout` has passed.
    ///
    /// - Parameter read: Reads a response with a 2xx status. The attempt fails with its error, and is repeated if that is
    ///   `corrupted`, `throttled` or `unavailable`.
    func send<Value>(
        _ request: CloudRequest, reading read: (CloudResponse) throws(CloudError) -> Value
    ) async throws(CloudError) -> Value {
        let body = request.body.map { SharedSecret(JSONWriter.write([$0])) }
        return try await retrier.run(
            within: request.timeout,
            expired: CloudError(
                .unavailable,
                "\(service.name): the deadline passed before \(request.action) was sent; the request will be retried"
            ), cancelled: CloudError(.cancelled, "cancelled while waiting to repeat \(request.action)")
        ) { deadline throws(AttemptFailure<CloudError>) in
            let token = try await token(within: try deadline.remaining(), request)
            let timeout = min(try deadline.remaining(), Self.attemptTimeout)
            let observation = request.operation.map {
                KeyManagerRequest($0, keyID: service.backend, observer: observer)
            }
            do throws(AttemptFailure<CloudError>) {
                let value = try await attempt(request, body, token, within: timeout, read)
                observation?.complete()
                return value
            } catch {
                observation?.complete([KeyManagerError(error.error, keyID: service.backend).code])
                throw error
            }
        }
    }

    private func attempt<Value>(
        _ request: CloudRequest, _ body: SharedSecret?, _ token: Refreshed<CloudToken>,
        within timeout: Duration, _ read: (CloudResponse) throws(CloudError) -> Value
    ) async throws(AttemptFailure<CloudError>) -> Value {
        let response: CloudResponse
        do throws(HTTPError) {
            let (head, content) = try await transport.sendCollectingSecret(
                httpRequest(request, body, token.value, timeout), upTo: Self.maximumResponseSize)
            response = CloudResponse(head, body: content.bytes)
        } catch {
            throw failure(error)
        }
        guard response.status != 401 else {
            let isReplaced = tokens.recordDenial(of: token, by: response)
            throw AttemptFailure(
                error: service.error(for: response, to: request),
                retryCause: isReplaced ? .credentialsReplaced : nil)
        }
        do throws(CloudError) {
            guard response.isSuccess else {
                if response.status < 500 { tokens.recordSuccess(of: token) }
                throw service.error(for: response, to: request)
            }
            tokens.recordSuccess(of: token)
            return try read(response)
        } catch {
            throw AttemptFailure(error: error, retryCause: Self.retryCause(error))
        }
    }

    private func httpRequest(
        _ request: CloudRequest, _ body: SharedSecret?, _ token: CloudToken, _ timeout: Duration
    ) -> HTTPClientRequest {
        var fields: HTTPFields = [.accept: "application/json"]
        if body != nil { fields[.contentType] = "application/json" }
        for field in Array(token.fields) + Array(service.fields) + Array(request.fields) {
            fields[field.name] = field.value
        }
        return HTTPClientRequest(
            method: request.method, url: service.address.url + request.path, fields: fields,
            secretFields: [.bearer(token.value)], body: body.map { .secret($0) } ?? .none, timeout: timeout)
    }

    private static func retryCause(_ error: CloudError) -> RetryState.RetryableError? {
        switch error.code {
        case .throttled: .throttled(retryAfter: error.retryAfter)
        case .unavailable, .corrupted: .outage(retryAfter: error.retryAfter)
        default: nil
        }
    }

    private func failure(_ error: HTTPError) -> AttemptFailure<CloudError> {
        let code: CloudError.Code =
            switch error.code {
            case .cancelled: .cancelled
            case _ where error.isRetryable: .unavailable
            case .protocolError, .responseTooLarge: .unavailable
            default: .misconfigured
            }
        let cause: RetryState.RetryableError? =
            switch error.code {
            case .timedOut, .connectTimedOut: .timeout
            default: error.isRetryable ? .outage(retryAfter: nil) : nil
            }
        let remedy = service.remedy(for: error).map { "; \($0)" } ?? ""
        return AttemptFailure(
            error: CloudError(code, "\(service.name): request failed: \(error)\(remedy)"), retryCause: cause)
    }

    /// Waits for the provider no longer than this request may take.
    private func token(
        within timeout: Duration, _ request: CloudRequest
    ) async throws(AttemptFailure<CloudError>) -> Refreshed<CloudToken> {
        let tokens = tokens
        let result = await firstResult(within: timeout) { () throws(CloudError) in try await tokens.token() }
        switch result {
        case .success(let token): return token
        case .failure(let error): throw AttemptFailure(error: error.asTokenError)
        case nil where Task.isCancelled:
            throw AttemptFailure(error: CloudError(.cancelled, "cancelled while waiting for an access token"))
        case nil:
            throw AttemptFailure(
                error: CloudError(
                    .unavailable,
                    "no access token arrived in time for \(request.action); the request will be retried"))
        }
    }
}

extension HTTPClientRequest.SecretField {
    /// The field `Authorization: Bearer <token>` (RFC 6750, section 2.1).
    static func bearer(_ token: SharedSecret) -> Self {
        var value = SecretBuffer(capacity: token.count + 16)
        value.append("Bearer ")
        value.append(token.bytes)
        return Self(name: .authorization, value: SharedSecret(value.finish()))
    }
}

extension HTTPFields {
    /// The delay of `Retry-After`, if there is one.
    var retryDelay: Duration? { self[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) } }
}
