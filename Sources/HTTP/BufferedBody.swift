import Cryptography
import System

/// Bytes that are zeroed with their last owner: every unary body, since any may hold a secret.
final class ZeroizingBytes: Sendable {
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

    convenience init(_ bytes: [UInt8]) {
        var buffer = SecretBuffer(capacity: bytes.count)
        buffer.append(bytes)
        self.init(ZeroizingBytes(buffer), activity: "reading a body")
    }

    func nextChunk() async throws(HTTPError) -> [UInt8]? {
        guard let whole = takeBuffered(), whole.count > 0 else { return nil }
        return whole.withUnsafeBytes { [UInt8]($0) }
    }

    func takeBuffered() -> ZeroizingBytes? {
        unread.withLock { unread in
            defer { unread = nil }
            return unread
        }
    }
}
