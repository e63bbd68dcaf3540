import CLinux
import Glibc
import Primitives

/// Serves pages over HTTP/1.1 from a thread of its own, which waits in poll(2): it answers whatever the tasks of
/// this process are at, and can tell when they are at nothing any more.
///
/// Guarantees: connections are few and short, and a client that is slow or silent holds up nobody.
package final class PageServer: Sendable {
    package typealias Answer = @Sendable (PageRequest) -> Page

    private static let maximumConnections = 32
    private let listener: Int32
    private let patience: Duration
    /// Written to by `stop`; poll sees it.
    private let wake: (read: Int32, write: Int32)
    private let waiting = Locked<(isOver: Bool, continuations: [CheckedContinuation<Void, Never>])>(
        (false, []))

    package let port: UInt16

    /// Listens and serves from now on. `answer` is called on the server's thread, one request at a time, and
    /// must not wait. `patience`: how long a connection may take.
    package init(
        _ address: ListenAddress, patience: Duration = .seconds(10), _ answer: @escaping Answer
    ) throws(ServingError) {
        self.patience = patience
        listener = try address.listen()
        port = boundPort(listener)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            let code = errno
            close(listener)
            throw ServingError(code, address)
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wake = (ends[0], ends[1])
        let code = startThread { self.serve(answer) }
        guard code == 0 else {
            closeAll([])
            throw ServingError(code, address)
        }
    }

    /// Returns when the port is free. Only the first call counts.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let (isOver, isFirst) = waiting.withLock { waiting in
                if !waiting.isOver { waiting.continuations.append(continuation) }
                return (waiting.isOver, waiting.continuations.count == 1)
            }
            if isOver {
                continuation.resume()
            } else if isFirst {
                var byte: UInt8 = 0
                _ = write(wake.write, &byte, 1)
            }
        }
    }

    private func serve(_ answer: Answer) {
        var exchanges: [Exchange] = []
        var accepts = true
        while true {
            let takes = accepts && exchanges.count < Self.maximumConnections
            var polled =
                [pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0)]
                + [pollfd(fd: listener, events: takes ? Int16(POLLIN) : 0, revents: 0)]
                + exchanges.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            let ready = poll(&polled, nfds_t(polled.count), exchanges.isEmpty && accepts ? -1 : 250)
            if ready < 0, errno != EINTR { break }
            if ready > 0, polled[0].revents != 0 { break }
            let now = ContinuousClock.now
            for index in exchanges.indices where ready > 0 && polled[index + 2].revents != 0 {
                exchanges[index].advance(answer)
            }
            for exchange in exchanges where exchange.isOver || exchange.deadline < now {
                close(exchange.descriptor)
            }
            exchanges.removeAll { $0.isOver || $0.deadline < now }
            accepts = true
            if ready > 0, polled[1].revents != 0 { accepts = accept(into: &exchanges, now) }
        }
        closeAll(exchanges)
        let continuations = waiting.withLock { waiting in
            waiting.isOver = true
            defer { waiting.continuations = [] }
            return waiting.continuations
        }
        for continuation in continuations { continuation.resume() }
    }

    /// False when the process is out of descriptors: the connection keeps waiting, and so do we.
    private func accept(into exchanges: inout [Exchange], _ now: ContinuousClock.Instant) -> Bool {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        exchanges.append(Exchange(descriptor, until: now + patience))
        return true
    }

    private func closeAll(_ exchanges: [Exchange]) {
        for exchange in exchanges { close(exchange.descriptor) }
        close(listener)
    }

    deinit {
        // `stop` may write to it up to here.
        close(wake.read)
        close(wake.write)
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Returns 0, or an errno value, and then `body` does not run.
private func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
    let retained = Unmanaged.passRetained(ThreadBody(body))
    let code = sb_start_thread(
        { pointer in
            sb_name_thread("sb-status")
            if let pointer { Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run() }
            return nil
        }, retained.toOpaque())
    if code != 0 { retained.release() }
    return code
}
