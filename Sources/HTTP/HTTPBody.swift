package import Cryptography
import Glibc

/// A response body: single pass, pulled. On the streaming lane the server is held back while nobody reads.
/// Valid only inside the handler it was given to; one task reads at a time.
package struct HTTPBody: AsyncSequence, Sendable {
    package typealias Element = [UInt8]
    package typealias Failure = HTTPError

    private let source: any BodySource

    init(source: some BodySource) {
        self.source = source
    }

    /// A body that is already here; also for fakes.
    package init(bytes: [UInt8]) {
        source = BufferedBody(bytes)
    }

    /// For fakes: the chunks as they come, then the end or `failure`.
    package init(chunks: AsyncStream<[UInt8]>, failure: HTTPError? = nil) {
        source = ChunkStream(chunks: chunks, failure: failure)
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let source: any BodySource

        package mutating func next() async throws(HTTPError) -> [UInt8]? {
            try await source.nextChunk()
        }

        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(HTTPError) -> [UInt8]? {
            try await source.nextChunk()
        }
    }

    /// All that is left of the body. Errors: `.responseTooLarge` above `limit` bytes.
    package func collect(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
        if let whole = source.takeBuffered() {
            guard whole.count <= limit else { throw tooLarge(limit) }
            return whole.withUnsafeBytes { [UInt8]($0) }
        }
        var bytes: [UInt8] = []
        while let chunk = try await source.nextChunk() {
            guard bytes.count + chunk.count <= limit else { throw tooLarge(limit) }
            bytes.append(contentsOf: chunk)
        }
        return bytes
    }

    /// Shows all that is left of the body to `read`; a body that is in memory as a whole is not copied.
    ///
    /// Errors: `.responseTooLarge` above `limit` bytes.
    package func collect<Value>(
        upTo limit: Int, _ read: (UnsafeRawBufferPointer) -> Value
    ) async throws(HTTPError) -> Value {
        if let whole = source.takeBuffered() {
            guard whole.count <= limit else { throw tooLarge(limit) }
            return whole.withUnsafeBytes(read)
        }
        return try await collect(upTo: limit).withUnsafeBytes(read)
    }

    /// As `collect`, for a body that holds secrets; what was buffered is zeroed on the way.
    package func collectSecret(upTo limit: Int) async throws(HTTPError) -> SecretBytes {
        if let whole = source.takeBuffered() {
            guard whole.count <= limit else { throw tooLarge(limit) }
            return whole.withUnsafeBytes { SecretBytes(copying: $0) }
        }
        var secret = SecretBuffer(capacity: 4096)
        while var chunk = try await source.nextChunk() {
            defer { chunk.withUnsafeMutableBytes { Self.wipe($0) } }
            guard secret.count + chunk.count <= limit else { throw tooLarge(limit) }
            secret.append(chunk)
        }
        return secret.finish()
    }

    private static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
        if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
    }

    private func tooLarge(_ limit: Int) -> HTTPError {
        HTTPError(
            .responseTooLarge, activity: source.activity, detail: "more than the \(limit) bytes expected")
    }
}

/// Where a body's bytes come from.
protocol BodySource: AnyObject, Sendable {
    /// For errors: what the bytes are the answer to.
    var activity: String { get }
    /// The next bytes, never empty; nil at the end and ever after.
    func nextChunk() async throws(HTTPError) -> [UInt8]?
    /// The whole body when it is in memory and unread; nil: read it by `next`.
    func takeBuffered() -> ZeroizingBytes?
}

/// A fake's chunks.
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
