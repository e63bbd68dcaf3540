/// A GET or HEAD request.
package struct AdminRequest: Sendable, Hashable {
    /// The path without the query.
    package let path: String

    package init(path: String) { self.path = path }
}

/// A text response.
package struct AdminResponse: Sendable {
    package let status: Int
    package let contentType: String
    package let text: String

    package init(
        _ text: String, status: Int = 200, contentType: String = "text/plain; charset=utf-8"
    ) {
        self.status = status
        self.contentType = contentType
        self.text = text
    }

    func bytes(head isHead: Bool) -> [UInt8] {
        let body = Array(text.utf8)
        let head = """
            HTTP/1.1 \(status) \(Self.phrases[status] ?? "Unknown")\r
            Content-Type: \(contentType)\r
            Content-Length: \(body.count)\r
            Cache-Control: no-store\r
            X-Content-Type-Options: nosniff\r
            Connection: close\r
            \(status == 405 ? "Allow: GET, HEAD\r\n" : "")\r

            """
        return Array(head.utf8) + (isHead ? [] : body)
    }

    private static let phrases = [
        200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
        503: "Service Unavailable",
    ]
}

/// The responses of one pass of the server's poll loop: a page that several clients request at once is rendered once.
final class ResponseCache {
    private let handler: (AdminRequest) -> AdminResponse
    private var responses: [String: AdminResponse] = [:]
    private var encoded: [RequestHead: [UInt8]] = [:]

    init(_ handler: @escaping (AdminRequest) -> AdminResponse) { self.handler = handler }

    /// Returns the bytes of the response to a request head. An incomplete one is answered like a malformed one.
    func bytes(for head: RequestHead) -> [UInt8] {
        if let cached = encoded[head] { return cached }
        let bytes =
            switch head {
            case .get(let request): response(to: request).bytes(head: false)
            case .head(let request): response(to: request).bytes(head: true)
            case .other: AdminResponse("only GET and HEAD are supported\n", status: 405).bytes(head: false)
            case .malformed, .incomplete:
                AdminResponse("not an HTTP request\n", status: 400).bytes(head: false)
            }
        encoded[head] = bytes
        return bytes
    }

    private func response(to request: AdminRequest) -> AdminResponse {
        if let cached = responses[request.path] { return cached }
        let response = handler(request)
        responses[request.path] = response
        return response
    }
}
