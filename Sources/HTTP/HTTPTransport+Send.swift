package import Cryptography

extension HTTPTransport {
    /// Sends `request` and collects its body, of at most `limit` bytes.
    package func send(
        _ request: HTTPClientRequest, upTo limit: Int
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: [UInt8]) {
        try await collected(request, upTo: limit) { body throws(HTTPError) in
            try await body.collect(upTo: limit)
        }
    }

    /// As `send`, for a body that holds secrets: no copy of it outlives the result, except as `SecretBytes`
    /// says.
    package func sendCollectingSecret(
        _ request: HTTPClientRequest, upTo limit: Int
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: SharedSecret) {
        try await collected(request, upTo: limit) { body throws(HTTPError) in
            SharedSecret(try await body.collectSecret(upTo: limit))
        }
    }

    private func collected<Body: Sendable>(
        _ request: HTTPClientRequest, upTo limit: Int,
        _ collect: (HTTPBody) async throws(HTTPError) -> Body
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: Body) {
        var request = request
        request.maximumResponseBody = min(limit, request.maximumResponseBody ?? limit)
        do {
            return try await withResponse(to: request) { head, body in (head, try await collect(body)) }
        } catch let error as HTTPError {
            throw error
        } catch {
            // Only a transport that breaks its contract comes here.
            let code: HTTPError.Code = error is CancellationError ? .cancelled : .clientFailed
            throw HTTPError(code, activity: "\(request.method)", detail: "\(type(of: error))")
        }
    }
}
