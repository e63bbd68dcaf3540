import Concurrency
import Cryptography
import HTTP
import HTTPTypes

/// Sends the requests of one source. Each attempt has a deadline of its own, so that one that hangs does not
/// use up the time of the next; what may pass is tried again.
struct AWSCredentialsClient: Sendable {
    typealias Response = (head: HTTPResponseHead, body: SharedSecret)

    /// As messages call the source.
    let name: String
    let transport: any HTTPTransport
    let attempts: Int
    /// Of one attempt.
    let timeout: Duration
    /// Between attempts.
    var backoff = Backoff(base: .milliseconds(400), maximum: .seconds(1))
    /// Where nobody answers.
    var advice: String?

    private static let maximumAnswer = 256 * 1024

    /// The answer, whatever its status. `isTransient`: answers that deserve another attempt besides those
    /// whose status says so.
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
                let response = try await transport.sendCollectingSecret(request, upTo: Self.maximumAnswer)
                let deservesMore = Self.isTransient(response.head.status.code) || isTransient(response)
                if isLast || !deservesMore { return response }
            } catch {
                if isLast || !error.isRetryable { throw failure(error) }
            }
            attempt += 1
            guard (try? await Task.sleep(for: backoff.next())) != nil else {
                throw AWSCredentialsError(.cancelled, "\(name): cancelled")
            }
        }
    }

    static func isTransient(_ status: Int) -> Bool { [429, 500, 502, 503, 504].contains(status) }

    private func failure(_ error: HTTPError) -> AWSCredentialsError {
        let code: AWSCredentialsError.Code =
            switch error.code {
            case .cancelled: .cancelled
            case _ where error.isRetryable: .unavailable
            case .protocolError, .responseTooLarge: .unavailable
            default: .misconfigured
            }
        return AWSCredentialsError(code, "\(name): \(error)" + (advice.map { "; \($0)" } ?? ""))
    }
}
