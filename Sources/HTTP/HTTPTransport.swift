package import HTTPTypes

/// Status and headers, without the body.
package struct HTTPResponseHead: Sendable {
    package var status: HTTPResponse.Status
    package var fields: HTTPFields

    package init(status: HTTPResponse.Status, fields: HTTPFields = [:]) {
        self.status = status
        self.fields = fields
    }
}

/// What sends requests. The one implementation is `CurlClient`; fakes serve faults that real servers will
/// not produce on demand.
package protocol HTTPTransport: Sendable {
    /// Sends `request` and hands over the response: on the streaming lane as soon as its head is here, on
    /// the unary lane when it is complete. The exchange lives at most as long as `handler`: when that
    /// returns, throws or is cancelled, the transfer is over and its resources are free. A status of 400 or
    /// more is a response, not an error.
    ///
    /// Errors: `HTTPError`, or what `handler` throws. Cancellation of the calling task throws
    /// `HTTPError` with code `.cancelled`.
    func withResponse<Result: Sendable>(
        to request: HTTPClientRequest,
        _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result
}
