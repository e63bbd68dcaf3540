package import Cryptography
package import HTTPTypes

/// The status and the headers of a response.
package struct HTTPResponseHead: Sendable {
    package var status: HTTPResponse.Status
    package var fields: HTTPFields

    package init(status: HTTPResponse.Status, fields: HTTPFields = [:]) {
        self.status = status
        self.fields = fields
    }
}

/// Sends requests. `CurlClient` is the implementation; fakes produce faults that real servers do not produce on demand.
package protocol HTTPTransport: Sendable {
    /// Sends `request` and passes the response to `handler`: a streaming one once its head has arrived, a unary one once
    /// it is complete. The transaction ends at the latest with `handler`: when that returns, throws or is cancelled, the
    /// transfer is over and its resources are free. A status of 400 or more is a response, not an error.
    ///
    /// - Throws: `HTTPError`, with the code `.cancelled` if the calling task is cancelled, or the error of `handler`.
    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest,
        _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result
}

extension HTTPTransport {
    /// Sends `request` and collects the body, which may hold secrets: no copy outlives the result.
    ///
    /// - Throws: `.responseTooLarge` if the body has more than `limit` bytes.
    package func sendCollectingSecret(
        _ request: HTTPClientRequest, upTo limit: Int
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: SharedSecret) {
        var request = request
        request.maximumResponseBody = min(limit, request.maximumResponseBody ?? limit)
        do {
            return try await withResponse(to: request) { head, body in
                (head, SharedSecret(try await body.collectSecret(upTo: limit)))
            }
        } catch let error as HTTPError {
            throw error
        } catch {
            // A transport that keeps its contract throws no other error.
            let code: HTTPError.Code = error is CancellationError ? .cancelled : .clientFailed
            throw HTTPError(code, activity: "\(request.method)", detail: "\(type(of: error))")
        }
    }
}
