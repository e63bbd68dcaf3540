import Glibc

/// A connection that serves one request. No method blocks, and each does a bounded amount of work: one read, or as many
/// writes as the socket accepts.
struct ClientConnection {
    private enum State {
        case reading([UInt8])
        case writing(ArraySlice<UInt8>)
        /// The response is sent. Further bytes of the client are read and discarded until it closes: closing a socket
        /// with unread bytes resets the connection, and the client may lose the response.
        case closing
        case closed
    }

    let descriptor: Int32
    let peer: PeerAddress
    private var state = State.reading([])
    private let limits: AdminServerLimits
    /// The time at which the connection is dropped.
    private(set) var deadline: ContinuousClock.Instant

    init(
        _ descriptor: Int32, from peer: PeerAddress, _ limits: AdminServerLimits, now: ContinuousClock.Instant
    ) {
        self.descriptor = descriptor
        self.peer = peer
        self.limits = limits
        deadline = now + limits.headDeadline
    }

    /// The events to wait for in poll(2).
    var events: Int16 { if case .writing = state { Int16(POLLOUT) } else { Int16(POLLIN) } }

    var isClosed: Bool { if case .closed = state { true } else { false } }

    /// The number of bytes of the response that the socket has not accepted yet.
    var unsentCount: Int { if case .writing(let rest) = state { rest.count } else { 0 } }

    /// Does what is possible without blocking: reads more of the request, answers it once its head is complete, or
    /// writes more of the response.
    mutating func advance(_ responses: ResponseCache, now: ContinuousClock.Instant) {
        switch state {
        case .reading(let bytes): read(after: bytes, responses, now)
        case .writing(let rest): write(rest, now)
        // One read a step, so that a client that sends without end does not block the thread.
        case .closing: _ = receive()
        case .closed: break
        }
    }

    private mutating func read(
        after received: [UInt8], _ responses: ResponseCache, _ now: ContinuousClock.Instant
    ) {
        guard let more = receive() else { return }
        let bytes = received + more
        let head = RequestHead(bytes, alreadySearched: received.count)
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
        // Tells the client that the response is complete.
        shutdown(descriptor, Int32(SHUT_WR))
        state = .closing
        deadline = min(deadline, now + limits.closeDeadline)
    }

    /// Reads up to 4096 bytes. Returns nil if there are none now, or if the connection is closed.
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
