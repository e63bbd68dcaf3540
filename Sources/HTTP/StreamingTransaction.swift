import System

/// Passes a response on as it arrives, and pauses the transfer while the caller does not read.
final class StreamingTransaction: Transaction, BodySource {
    private typealias HeadWaiter = CheckedContinuation<Result<HTTPResponseHead, HTTPError>, Never>
    private typealias Reader = CheckedContinuation<Result<[UInt8]?, HTTPError>, Never>

    private struct State {
        var buffer = BodyBuffer()
        var isCancelled = false
        var isEnded = false
        var headWaiter: HeadWaiter?
        var reader: Reader?
        var endWaiter: CheckedContinuation<Void, Never>?
    }

    let plan: TransferPlan
    private let pool: ConnectionPool
    private let state = Locked(State())

    init(_ plan: TransferPlan, on pool: ConnectionPool) {
        self.plan = plan
        self.pool = pool
    }

    var activity: String { plan.activity }

    // MARK: the caller's side

    /// Sends the request and waits for the head of the response. May be called once.
    func head() async throws(HTTPError) -> HTTPResponseHead {
        try await withCheckedContinuation { (waiter: HeadWaiter) in
            state.withLock { $0.headWaiter = waiter }
            pool.submit(self)
        }.get()
    }

    func nextChunk() async throws(HTTPError) -> [UInt8]? {
        switch state.withLock({ $0.buffer.read() }) {
        case .chunk(let chunk, let unblocks):
            if unblocks { pool.signal(self) }
            return chunk
        case .end: return nil
        case .failed(let error): throw error
        case .empty: return try await waitForChunk()
        }
    }

    /// Always nil, since the body arrives in chunks.
    func takeBuffered() -> ZeroizingBytes? { nil }

    private func waitForChunk() async throws(HTTPError) -> [UInt8]? {
        try await withTaskCancellationHandler {
            await withCheckedContinuation { (reader: Reader) in
                let displaced = state.withLock { state in
                    defer { state.reader = reader }
                    return state.reader
                }
                displaced?.resume(
                    returning: .failure(plan.error(.invalidRequest, "two tasks read one body")))
                deliver()
                // The cancellation handler may have run before the reader was stored, and found none.
                if Task.isCancelled { releaseReader() }
            }
        } onCancel: {
            releaseReader()
        }.get()
    }

    private func releaseReader() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(returning: .failure(plan.error(.cancelled)))
    }

    /// Ends the transaction without waiting. Safe to call from any thread.
    func cancel() {
        state.withLock { $0.isCancelled = true }
        pool.signal(self)
    }

    /// Ends the transaction and waits until libcurl has released it.
    func close() async {
        await withCheckedContinuation { waiter in
            let isEnded = state.withLock { state in
                state.isCancelled = true
                if !state.isEnded { state.endWaiter = waiter }
                return state.isEnded
            }
            if isEnded {
                waiter.resume()
            } else {
                pool.signal(self)
            }
        }
    }

    // MARK: the pool's side

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    func received(_ head: HTTPResponseHead) -> HTTPError? {
        let waiter = state.withLock { state in
            defer { state.headWaiter = nil }
            return state.headWaiter
        }
        waiter?.resume(returning: .success(head))
        return nil
    }

    func received(_ bytes: UnsafeRawBufferPointer) -> ReceiveResult {
        guard state.withLock({ $0.buffer.write(bytes) }) == .stored else { return .pause }
        deliver()
        return .consumed
    }

    func ended(_ error: HTTPError?) {
        let (headWaiter, endWaiter) = state.withLock { state in
            state.isEnded = true
            state.buffer.finish(error)
            defer { (state.headWaiter, state.endWaiter) = (nil, nil) }
            return (state.headWaiter, state.endWaiter)
        }
        headWaiter?.resume(returning: .failure(error ?? plan.error(.protocolError, "no response head")))
        deliver()
        endWaiter?.resume()
    }

    /// Passes the buffered bytes, or the end of the body, to the waiting reader, if there is one.
    private func deliver() {
        let (reader, read) = state.withLock { state -> (Reader?, BodyBuffer.ReadResult) in
            guard let reader = state.reader else { return (nil, .empty) }
            let read = state.buffer.read()
            guard read != .empty else { return (nil, .empty) }
            state.reader = nil
            return (reader, read)
        }
        switch read {
        case .chunk(let chunk, let unblocks):
            if unblocks { pool.signal(self) }
            reader?.resume(returning: .success(chunk))
        case .end: reader?.resume(returning: .success(nil))
        case .failed(let error): reader?.resume(returning: .failure(error))
        case .empty: break
        }
    }
}

/// The bytes of a streamed response between libcurl, which writes, and the one reader. A pure state machine.
///
/// The reader takes everything at once, so a blocked writer continues as soon as the buffer is empty.
struct BodyBuffer {
    enum WriteResult: Equatable {
        case stored
        /// Nothing was stored. The writer has to offer the same bytes again after a `ReadResult.chunk` that unblocks.
        case full
    }

    enum ReadResult: Equatable {
        /// `unblocks` is true if a write was refused since the last read.
        case chunk([UInt8], unblocks: Bool)
        case empty
        case end
        case failed(HTTPError)
    }

    /// The number of bytes above which a write is refused. A larger write into an empty buffer is stored.
    let highWaterMark: Int
    private var pending: [UInt8] = []
    private var isBlocked = false
    private var ending: ReadResult?

    init(highWaterMark: Int = 256 << 10) {
        self.highWaterMark = highWaterMark
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard pending.isEmpty || pending.count + bytes.count <= highWaterMark else {
            isBlocked = true
            return .full
        }
        pending.append(contentsOf: bytes)
        return .stored
    }

    /// Ends the body. The reader gets the buffered bytes and then the end or `error`. Only the first call has
    /// an effect.
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
