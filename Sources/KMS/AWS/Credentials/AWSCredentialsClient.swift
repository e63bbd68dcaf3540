import Concurrency
import Cryptography
import HTTP
import HTTPTypes

/// Sends the requests of one credentials source, and repeats those with transient errors. Each attempt has its own timeout,
/// so that an attempt that hangs leaves time for the next one.
struct AWSCredentialsClient: Sendable {
    typealias Response = (head: HTTPResponseHead, body: SharedSecret)

    /// The source's name in messages.
    let name: String
    let transport: any HTTPTransport
    let attempts: Int
    /// The timeout of one attempt.
    let timeout: Duration
    /// The delays between attempts.
    var backoff = Backoff(base: .milliseconds(400), maximum: .seconds(1))
    /// The remedy that messages name if the server does not respond.
    var remedy: String?

    private static let maximumResponseSize = 256 * 1024

    /// Sends a request.
    ///
    /// - Parameter isTransient: Returns true for a response that is worth another attempt in spite of its status.
    /// - Returns: The last response, with any status.
    func send(
        _ request: HTTPClientRequest, isTransient: (Response) -> Bool = { _ in false }
    ) async throws(AWSCredentialsError) -> Response {
        var request = request
        request.timeout = timeout
        var backoff = backoff
        var attempt = 1
        while true {
            let isLast = attempt >= attempts
            do throws(HTTPError) {
                let response = try await transport.sendCollectingSecret(
                    request, upTo: Self.maximumResponseSize)
                let isRetryable = Self.isTransient(response.head.status.code) || isTransient(response)
                if isLast || !isRetryable { return response }
            } catch {
                if isLast || !error.isRetryable { throw requestFailed(error) }
            }
            attempt += 1
            guard (try? await Task.sleep(for: backoff.next())) != nil else {
                throw AWSCredentialsError(.cancelled, "\(name): cancelled")
            }
        }
    }

    static func isTransient(_ status: Int) -> Bool { [429, 500, 502, 503, 504].contains(status) }

    private func requestFailed(_ error: HTTPError) -> AWSCredentialsError {
        let code: AWSCredentialsError.Code =
            switch error.code {
            case .cancelled: .cancelled
            case _ where error.isRetryable: .unavailable
            case .protocolError, .responseTooLarge: .unavailable
            default: .misconfigured
            }
        return AWSCredentialsError(code, "\(name): \(error)" + (remedy.map { "; \($0)" } ?? ""))
    }
}
