/// What a streamed response holds between libcurl, which writes, and the one reader: a pure state machine.
///
/// The reader takes all there is at once, so the low-water mark is an empty buffer.
struct BodyBuffer {
    enum WriteResult: Equatable {
        case stored
        /// Nothing was stored. Offer the same bytes again once `Read.chunk` says so.
        case full
    }

    enum ReadResult: Equatable {
        /// `unblocks`: a write was refused since the last read; the writer can go on.
        case chunk([UInt8], unblocks: Bool)
        case empty
        case end
        case failed(HTTPError)
    }

    /// Bytes above which a write is refused. A single larger write into an empty buffer is stored.
    let highWaterMark: Int
    private var pending: [UInt8] = []
    private var isBlocked = false
    private var ending: ReadResult?

    init(highWater: Int = 256 << 10) {
        self.highWaterMark = highWater
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard pending.isEmpty || pending.count + bytes.count <= highWaterMark else {
            isBlocked = true
            return .full
        }
        pending.append(contentsOf: bytes)
        return .stored
    }

    /// The writer is done; what is buffered can still be read, and then the end or `error`. The first call
    /// counts.
    mutating func finish(_ error: HTTPError?) {
        guard ending == nil else { return }
        ending = error.map { .failed($0) } ?? .end
    }

    mutating func read() -> ReadResult {
        guard pending.isEmpty else {
            defer { isBlocked = false }
            let chunk = pending
            pending = []
            return .chunk(chunk, unblocks: isBlocked)
        }
        return ending ?? .empty
    }
}
