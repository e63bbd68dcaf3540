import Glibc

/// One connection: a request, its answer, the end. Nothing here waits.
struct Exchange {
    private enum State {
        case reading([UInt8])
        case writing([UInt8], sent: Int)
        /// The answer is out. Until the client has closed, what it still sends is thrown away: closing with
        /// bytes unread would reset the connection, and the answer might be lost.
        case ending
        case over
    }

    let descriptor: Int32
    private var state = State.reading([])
    /// A client that is slower than this is given up.
    private(set) var deadline: ContinuousClock.Instant

    init(_ descriptor: Int32, until deadline: ContinuousClock.Instant) {
        self.descriptor = descriptor
        self.deadline = deadline
    }

    /// What poll(2) is to wait for.
    var events: Int16 { if case .writing = state { Int16(POLLOUT) } else { Int16(POLLIN) } }

    var isOver: Bool { if case .over = state { true } else { false } }

    mutating func advance(_ answer: (PageRequest) -> Page) {
        switch state {
        case .reading(let bytes): read(after: bytes, answer)
        case .writing(let bytes, let sent): write(bytes, from: sent)
        case .ending: drain()
        case .over: break
        }
    }

    private mutating func read(after known: [UInt8], _ answer: (PageRequest) -> Page) {
        guard let more = receive() else { return }
        let bytes = known + more
        switch RequestHead(bytes) {
        case .incomplete: state = .reading(bytes)
        case .malformed: write(Page("not an HTTP request\n", status: 400).bytes(head: false), from: 0)
        case .other: write(Page("GET and HEAD are served\n", status: 405).bytes(head: false), from: 0)
        case .get(let request): write(answer(request).bytes(head: false), from: 0)
        case .head(let request): write(answer(request).bytes(head: true), from: 0)
        }
    }

    private mutating func write(_ bytes: [UInt8], from start: Int) {
        var sent = start
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                state = .writing(bytes, sent: sent)
                return
            }
            guard count > 0 else {
                state = .over
                return
            }
            sent += count
        }
        shutdown(descriptor, Int32(SHUT_WR))
        state = .ending
        deadline = min(deadline, .now + .seconds(1))
    }

    private mutating func drain() {
        while receive()?.isEmpty == false {}
    }

    /// nil: nothing for now, or the connection is over.
    private mutating func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return nil }
            guard count > 0 else {
                state = .over
                return nil
            }
            return Array(buffer[..<count])
        }
    }
}
