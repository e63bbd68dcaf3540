import Glibc

/// One connection: a request, its answer, the end. Nothing here blocks, and every step does a bounded amount of work:
/// one read, or as many writes as the socket takes.
struct ClientConnection {
    private enum State {
        case reading([UInt8])
        case writing(ArraySlice<UInt8>)
        /// The answer is sent. Until the client has closed, what it still sends is discarded: closing with unread bytes
        /// would reset the connection, and the answer might be lost.
        case closing
        case closed
    }

    let descriptor: Int32
    let peer: PeerAddress
    private var state = State.reading([])
    private let limits: AdminServerLimits
    /// The connection is dropped when this has passed.
    private(set) var deadline: ContinuousClock.Instant

    init(
        _ descriptor: Int32, from peer: PeerAddress, _ limits: AdminServerLimits, now: ContinuousClock.Instant
    ) {
        self.descriptor = descriptor
        self.peer = peer
        self.limits = limits
        deadline = now + limits.headDeadline
    }

    /// The events that poll(2) has to wait for.
    var events: Int16 { if case .writing = state { Int16(POLLOUT) } else { Int16(POLLIN) } }

    var isClosed: Bool { if case .closed = state { true } else { false } }

    /// Bytes of the answer that the client has not taken yet.
    var unsentCount: Int { if case .writing(let rest) = state { rest.count } else { 0 } }

    mutating func advance(_ responses: ResponseCache, now: ContinuousClock.Instant) {
        switch state {
        case .reading(let bytes): read(after: bytes, responses, now)
        case .writing(let rest): write(rest, now)
        // One read a step: a client that sends without end must not keep the thread here.
        case .closing: _ = receive()
        case .closed: break
        }
    }

    private mutating func read(
        after known: [UInt8], _ responses: ResponseCache, _ now: ContinuousClock.Instant
    ) {
        guard let more = receive() else { return }
        let bytes = known + more
        let head = RequestHead(bytes, alreadySearched: known.count)
        guard head != .incomplete else {
            state = .reading(bytes)
            return
        }
        deadline = now + limits.responseDeadline
        write(responses.bytes(for: head)[...], now)
    }

    private mutating func write(_ bytes: ArraySlice<UInt8>, _ now: ContinuousClock.Instant) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                state = .writing(rest)
                return
            }
            guard count > 0 else {
                state = .closed
                return
            }
            rest = rest.dropFirst(count)
        }
        shutdown(descriptor, Int32(SHUT_WR))
        state = .closing
        deadline = min(deadline, now + limits.closeDeadline)
    }

    /// Returns nil if there is nothing to read now, or if the connection is closed.
    private mutating func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return nil }
            guard count > 0 else {
                state = .closed
                return nil
            }
            return Array(buffer[..<count])
        }
    }
}
