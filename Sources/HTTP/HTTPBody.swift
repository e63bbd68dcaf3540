package import Cryptography
import Glibc
import System

/// A response body that is read once, in chunks. On the streaming pool libcurl stops reading from the connection while
/// the caller does not read. The body is valid only inside the handler that received it, and one task reads at a time.
package struct HTTPBody: AsyncSequence, Sendable {
    package typealias Element = [UInt8]
    package typealias Failure = HTTPError

    private let source: any BodySource

    package init(source: some BodySource) {
        self.source = source
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

    /// Reads the rest of the body.
    ///
    /// - Throws: `.responseTooLarge` if it has more than `limit` bytes.
    package func collect(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
        if let buffered = try takeBuffered(upTo: limit) { return buffered.withUnsafeBytes { [UInt8]($0) } }
        var bytes: [UInt8] = []
        while let chunk = try await source.nextChunk() {
            guard bytes.count + chunk.count <= limit else { throw tooLarge(limit) }
            bytes.append(contentsOf: chunk)
        }
        return bytes
    }

    /// Passes the rest of the body to `read`, without a copy if all of it is in memory.
    ///
    /// - Throws: `.responseTooLarge` if it has more than `limit` bytes.
    package func collect<Value>(
        upTo limit: Int, _ read: (UnsafeRawBufferPointer) -> Value
    ) async throws(HTTPError) -> Value {
        if let buffered = try takeBuffered(upTo: limit) { return buffered.withUnsafeBytes(read) }
        return try await collect(upTo: limit).withUnsafeBytes(read)
    }

    /// Reads the rest of a body that holds secrets, and zeroes every buffer that it passes through.
    ///
    /// - Throws: `.responseTooLarge` if it has more than `limit` bytes.
    package func collectSecret(upTo limit: Int) async throws(HTTPError) -> SecretBytes {
        if let buffered = try takeBuffered(upTo: limit) {
            return buffered.withUnsafeBytes { SecretBytes(copying: $0) }
        }
        var secret = SecretBuffer(capacity: 4096)
        while var chunk = try await source.nextChunk() {
            defer { chunk.withUnsafeMutableBytes { Self.wipe($0) } }
            guard secret.count + chunk.count <= limit else { throw tooLarge(limit) }
            secret.append(chunk)
        }
        return secret.finish()
    }

    private func takeBuffered(upTo limit: Int) throws(HTTPError) -> ZeroizingBytes? {
        guard let buffered = source.takeBuffered() else { return nil }
        guard buffered.count <= limit else { throw tooLarge(limit) }
        return buffered
    }

    private static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
        if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
    }

    private func tooLarge(_ limit: Int) -> HTTPError {
        HTTPError(.responseTooLarge, activity: source.activity, detail: "the limit is \(limit) bytes")
    }
}

/// Supplies the bytes of a body.
package protocol BodySource: AnyObject, Sendable {
    /// The request that the body responds to, for errors.
    var activity: String { get }
    /// Returns the next bytes, which are never empty, or nil at the end and after it.
    func nextChunk() async throws(HTTPError) -> [UInt8]?
    /// Returns the whole body if it is in memory and unread, or nil if only `nextChunk` can read it.
    func takeBuffered() -> ZeroizingBytes?
}

/// Bytes that are zeroed when their last reference goes. Every unary body is held in one, since any may hold a secret.
package final class ZeroizingBytes: Sendable {
    private let buffer: SecretBuffer

    init(_ buffer: consuming SecretBuffer) {
        self.buffer = buffer
    }

    var count: Int { buffer.count }

    func withUnsafeBytes<Result: ~Copyable>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        buffer.withUnsafeBytes(body)
    }
}

/// A body that is in memory as a whole.
final class BufferedBody: BodySource {
    let activity: String
    private let unread: Locked<ZeroizingBytes?>

    init(_ bytes: ZeroizingBytes, activity: String) {
        self.activity = activity
        unread = Locked(bytes)
    }

    func nextChunk() async throws(HTTPError) -> [UInt8]? {
        guard let bytes = takeBuffered(), bytes.count > 0 else { return nil }
        return bytes.withUnsafeBytes { [UInt8]($0) }
    }

    func takeBuffered() -> ZeroizingBytes? {
        unread.withLock { unread in
            defer { unread = nil }
            return unread
        }
    }
}
