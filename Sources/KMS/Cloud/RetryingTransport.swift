import Concurrency
import Cryptography
import HTTP
import HTTPTypes

/// Sends the requests of one source of credentials, and repeats those with transient errors. Each attempt has its own timeout,
/// so that an attempt that hangs leaves time for the next one.
struct RetryingTransport: Sendable {
    typealias Response = (head: HTTPResponseHead, body: SharedSecret)

    let transport: any HTTPTransport
    var attempts = 3
    /// The timeout of one attempt.
    var timeout = Duration.seconds(5)
    /// The delays between attempts. A response that asks for more than the maximum is not repeated.
    var backoff = Backoff(base: .milliseconds(400), maximum: .seconds(1))

    private static let maximumResponseSize = 256 * 1024
    static let transientStatuses: Set = [408, 429, 500, 502, 503, 504]

    /// Sends a request.
    ///
    /// - Parameter isTransient: Returns true for a response that is worth another attempt.
    /// - Returns: The last response, with any status.
    func send(
        _ request: HTTPClientRequest,
        isTransient: (Response) -> Bool = { transientStatuses.contains($0.head.status.code) }
    ) async throws(HTTPError) -> Response {
        var request = request
        request.timeout = timeout
        var backoff = backoff
        var attempt = 1
        while true {
            let isLast = attempt >= attempts
            var delay = Duration.zero
            do throws(HTTPError) {
                let response = try await transport.sendCollectingSecret(
                    request, upTo: Self.maximumResponseSize)
                delay = response.head.fields.retryDelay ?? .zero
                if isLast || !isTransient(response) || delay > backoff.maximum { return response }
            } catch {
                if isLast || !error.isRetryable { throw error }
            }
            attempt += 1
            guard (try? await Task.sleep(for: max(delay, backoff.next()))) != nil else {
                throw HTTPError(.cancelled, activity: "\(request.method)")
            }
        }
    }
}
