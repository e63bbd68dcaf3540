/// What a client asks for: the path of a GET or HEAD, without its query.
package struct AdminRequest: Sendable, Hashable {
    package let path: String

    package init(path: String) {
        self.path = path
    }
}

/// An answer.
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
