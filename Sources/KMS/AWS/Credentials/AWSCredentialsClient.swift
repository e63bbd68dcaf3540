import Concurrency
import HTTP
import HTTPTypes

/// Sends the requests of one credentials source, with retries.
struct AWSCredentialsClient: Sendable {
    typealias Response = RetryingTransport.Response

    /// The source's name in messages.
    let name: String
    /// The remedy that messages name if the server does not respond.
    let remedy: String?
    private let transport: RetryingTransport

    init(
        name: String, transport: any HTTPTransport, attempts: Int, timeout: Duration,
        backoff: Backoff? = nil, remedy: String? = nil
    ) {
        self.name = name
        self.remedy = remedy
        var transport = RetryingTransport(transport: transport, attempts: attempts, timeout: timeout)
        if let backoff { transport.backoff = backoff }
        self.transport = transport
    }

    /// Sends a request.
    ///
    /// - Parameter isTransient: Returns true for a response that is worth another attempt in spite of its status.
    /// - Returns: The last response, with any status.
    func send(
        _ request: HTTPClientRequest, isTransient: (Response) -> Bool = { _ in false }
    ) async throws(AWSCredentialsError) -> Response {
        do throws(HTTPError) {
            return try await transport.send(request) { response in
                Self.isTransient(response.head.status.code) || isTransient(response)
            }
        } catch {
            let code: AWSCredentialsError.Code =
                switch error.code {
                case .cancelled: .cancelled
                case _ where error.isRetryable: .unavailable
                case .protocolError, .responseTooLarge: .unavailable
                default: .misconfigured
                }
            throw AWSCredentialsError(code, "\(name): \(error)" + (remedy.map { "; \($0)" } ?? ""))
        }
    }

    static func isTransient(_ status: Int) -> Bool { RetryingTransport.transientStatuses.contains(status) }
}
