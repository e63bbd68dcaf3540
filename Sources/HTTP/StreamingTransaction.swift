import System

/// Hands a response over as it comes, and holds the server back while nobody reads.
final class StreamingTransaction: Transaction, BodySource {
    private typealias HeadWaiter = CheckedContinuation<Result<HTTPResponseHead, HTTPError>, Never>
    private typealias Reader = CheckedContinuation<Result<[UInt8]?, HTTPError>, Never>

    private struct State {
        var head: HTTPResponseHead?
        var buffer = BodyBuffer()
        var isStopped = false
        var isEnded = false
        var headWaiter: HeadWaiter?
        var reader: Reader?
        var endWaiter: CheckedContinuation<Void, Never>?
    }

    let plan: TransferPlan
    private let lane: ConnectionPool
    private let state = Locked(State())

    init(_ plan: TransferPlan, on lane: ConnectionPool) {
        self.plan = plan
        self.lane = lane
    }

    var activity: String { plan.activity }

    // MARK: the asking side

    /// Sends the request. Call once.
    func head() async throws(HTTPError) -> HTTPResponseHead {
        try await withCheckedContinuation { (waiter: HeadWaiter) in
            state.withLock { $0.headWaiter = waiter }
            lane.submit(self)
        }.get()
    }

    func nextChunk() async throws(HTTPError) -> [UInt8]? {
        switch state.withLock({ $0.buffer.read() }) {
        case .chunk(let chunk, let unblocks):
            if unblocks { lane.signal(self) }
            return chunk
        case .end: return nil
        case .failed(let error): throw error
        case .empty: return try await nextWhenThere()
        }
    }

    func takeBuffered() -> ZeroizingBytes? { nil }

    private func nextWhenThere() async throws(HTTPError) -> [UInt8]? {
        try await withTaskCancellationHandler {
            await withCheckedContinuation { (reader: Reader) in
                let displaced = state.withLock { state in
                    defer { state.reader = reader }
                    return state.reader
                }
                displaced?.resume(returning: .failure(plan.error(.invalidRequest, "two readers of one body")))
                deliver()
                // Cancelled before the reader was in place: the handler below found nobody.
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

    /// Ends the exchange, from any thread, without waiting.
    func cancel() {
        state.withLock { $0.isStopped = true }
        lane.signal(self)
    }

    /// Ends the exchange; returns when libcurl has let go of it.
    func close() async {
        await withCheckedContinuation { waiter in
            let isEnded = state.withLock { state in
                state.isStopped = true
                if !state.isEnded { state.endWaiter = waiter }
                return state.isEnded
            }
            if isEnded {
                waiter.resume()
            } else {
                lane.signal(self)
            }
        }
    }

    // MARK: the lane's side

    var isCancelled: Bool { state.withLock { $0.isStopped } }

    func received(_ head: HTTPResponseHead) -> HTTPError? {
        let waiter = state.withLock { state in
            state.head = head
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

    /// Brings the waiting reader and what is buffered together.
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
            if unblocks { lane.signal(self) }
            reader?.resume(returning: .success(chunk))
        case .end: reader?.resume(returning: .success(nil))
        case .failed(let error): reader?.resume(returning: .failure(error))
        case .empty: break
        }
    }
}
