import Primitives

/// Bytes that are zeroed with their last owner: every unary body, since any may hold a secret.
final class WipedBytes: Sendable {
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
final class CollectedBody: BodySource {
    let activity: String
    private let unread: Locked<WipedBytes?>

    init(_ bytes: WipedBytes, activity: String) {
        self.activity = activity
        unread = Locked(bytes)
    }

    convenience init(_ bytes: [UInt8]) {
        var buffer = SecretBuffer(capacity: bytes.count)
        buffer.append(bytes)
        self.init(WipedBytes(buffer), activity: "reading a body")
    }

    func next() async throws(HTTPError) -> [UInt8]? {
        guard let whole = takeWhole(), whole.count > 0 else { return nil }
        return whole.withUnsafeBytes { [UInt8]($0) }
    }

    func takeWhole() -> WipedBytes? {
        unread.withLock { unread in
            defer { unread = nil }
            return unread
        }
    }
}
