/// The responses of one round of a server. Many clients that ask for a large page at once cost its rendering and its memory
/// once.
final class ResponseCache {
    private let answer: (AdminRequest) -> AdminResponse
    private var pages: [String: AdminResponse] = [:]
    private var responses: [RequestHead: [UInt8]] = [:]

    init(_ answer: @escaping (AdminRequest) -> AdminResponse) { self.answer = answer }

    /// The response to a head that is complete.
    func bytes(for head: RequestHead) -> [UInt8] {
        if let known = responses[head] { return known }
        let bytes =
            switch head {
            case .get(let request): page(request).bytes(head: false)
            case .head(let request): page(request).bytes(head: true)
            case .other: AdminResponse("GET and HEAD are served\n", status: 405).bytes(head: false)
            case .malformed, .incomplete:
                AdminResponse("not an HTTP request\n", status: 400).bytes(head: false)
            }
        responses[head] = bytes
        return bytes
    }

    private func page(_ request: AdminRequest) -> AdminResponse {
        if let known = pages[request.path] { return known }
        let page = answer(request)
        pages[request.path] = page
        return page
    }
}
