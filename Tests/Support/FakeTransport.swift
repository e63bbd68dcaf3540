import Cryptography
package import HTTP
package import HTTPTypes
import System

/// An HTTP transport that returns the responses of a test, and records requests.
package final class FakeTransport: HTTPTransport {
    /// A request as a server receives it.
    package struct Request: Sendable {
        package let method: HTTPRequest.Method
        /// The scheme, the host and the port.
        package let origin: String
        package let path: String
        /// The percent-encoded parameters in order.
        package let query: [String]
        package let fields: HTTPFields
        package let authorization: String?
        /// The secret header fields, including `Authorization`.
        package let secrets: [HTTPField.Name: String]
        package let body: [UInt8]
        package let mode: HTTPClientRequest.TransferMode

        package var text: String { String(decoding: body, as: UTF8.self) }
        package var line: String {
            "\(method.rawValue) \(path)" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
        }

        init(_ request: HTTPClientRequest) {
            method = request.method
            let parts = request.url.split(separator: "?", maxSplits: 1)
            path = String(parts[0].drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" })
            origin = String(parts[0].dropLast(path.count))
            query = parts.count == 2 ? parts[1].split(separator: "&").map(String.init) : []
            fields = request.fields
            secrets = Dictionary(
                request.secretFields.map { field in
                    (
                        field.name,
                        field.value.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                    )
                }, uniquingKeysWith: { first, _ in first })
            authorization = secrets[.authorization]
            body =
                switch request.body {
                case .none: []
                case .bytes(let bytes): bytes
                case .secret(let secret): secret.bytes.withUnsafeBytes { Array($0) }
                }
            mode = request.mode
        }
    }

    package struct Response: Sendable {
        package enum End: Sendable {
            case closed
            case failure(HTTPError)
            /// No further bytes arrive, and the connection stays open.
            case stall
        }

        package var status: Int
        package var fields: HTTPFields
        package var chunks: [[UInt8]]
        package var end: End

        package init(
            _ status: Int, fields: HTTPFields = [:], chunks: [[UInt8]], end: End = .closed
        ) {
            self.status = status
            self.fields = fields
            self.chunks = chunks
            self.end = end
        }

        package init(_ status: Int, _ body: String, fields: HTTPFields = [:], end: End = .closed) {
            self.init(status, fields: fields, chunks: [Array(body.utf8)], end: end)
        }

        /// A `Status` object, the API server's error response.
        package static func status(
            _ code: Int, _ reason: String, _ message: String = "", details: String = "{}",
            fields: HTTPFields = [:]
        ) -> Response {
            Response(
                code,
                #"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"\#(message)","#
                    + #""reason":"\#(reason)","details":\#(details),"code":\#(code)}"#, fields: fields)
        }
    }

    private let answer: @Sendable (Request) async throws -> Response
    private let log = Locked<[Request]>([])

    package init(_ answer: @escaping @Sendable (Request) async throws -> Response) {
        self.answer = answer
    }

    /// Returns one response after the other, and then stalls.
    package convenience init(script: [Response]) {
        let rest = Locked(script)
        self.init { _ in
            rest.withLock { $0.isEmpty ? Response(200, chunks: [], end: .stall) : $0.removeFirst() }
        }
    }

    package var requests: [Request] { log.withLock { $0 } }

    package func withResponse<Result: Sendable>(
        to request: HTTPClientRequest,
        _ handler: (HTTPResponseHead, HTTPBody) async throws -> Result
    ) async throws -> Result {
        let seen = Request(request)
        log.withLock { $0.append(seen) }
        let response = try await answer(seen)
        let (chunks, source) = AsyncStream<[UInt8]>.makeStream()
        response.chunks.forEach { source.yield($0) }
        var failure: HTTPError?
        switch response.end {
        case .closed: source.finish()
        case .failure(let error):
            failure = error
            source.finish()
        case .stall: break
        }
        let head = HTTPResponseHead(status: .init(code: response.status), fields: response.fields)
        defer { source.finish() }
        return try await handler(head, HTTPBody(chunks: chunks, failure: failure))
    }
}

extension HTTPBody {
    /// Makes a body that yields `chunks` as they arrive and then ends, or throws `failure`.
    package init(chunks: AsyncStream<[UInt8]>, failure: HTTPError? = nil) {
        self.init(source: ChunkStream(chunks: chunks, failure: failure))
    }
}

private final class ChunkStream: BodySource {
    let activity = "reading a body"
    private let chunks: AsyncStream<[UInt8]>
    private let failure: HTTPError?

    init(chunks: AsyncStream<[UInt8]>, failure: HTTPError?) {
        self.chunks = chunks
        self.failure = failure
    }

    func nextChunk() async throws(HTTPError) -> [UInt8]? {
        var iterator = chunks.makeAsyncIterator()
        while let chunk = await iterator.next() {
            if !chunk.isEmpty { return chunk }
        }
        guard !Task.isCancelled else { throw HTTPError(.cancelled, activity: activity) }
        if let failure { throw failure }
        return nil
    }

    func takeBuffered() -> ZeroizingBytes? { nil }
}

extension HTTPTransport {
    /// Sends `request` and collects the body.
    package func send(
        _ request: HTTPClientRequest, upTo limit: Int
    ) async throws(HTTPError) -> (head: HTTPResponseHead, body: [UInt8]) {
        let (head, body) = try await sendCollectingSecret(request, upTo: limit)
        return (head, body.bytes.withUnsafeBytes { Array($0) })
    }
}
