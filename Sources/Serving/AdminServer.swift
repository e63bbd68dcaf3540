import CLinux
import Glibc
import System

/// Serves pages over HTTP/1.1 from a thread of its own, which waits in poll(2): it answers whatever the tasks of this
/// process do, and can report when they do nothing any more.
///
/// Guarantees: a new connection is always accepted and, if its request is there, answered in the same round. Clients
/// that are slow, silent or many delay no other one, and use no more than `AdminServerLimits` say.
package final class AdminServer: Sendable {
    package typealias Handler = @Sendable (AdminRequest) -> AdminResponse

    private let listener: Int32
    private let limits: AdminServerLimits
    /// `stop` writes to it, and poll returns.
    private let wake: (read: Int32, write: Int32)
    private let waiting = Locked<(isOver: Bool, continuations: [CheckedContinuation<Void, Never>])>(
        (false, []))

    package let port: UInt16

    /// Listens and serves from now on.
    ///
    /// - Parameter answer: is called on the server's thread, one request at a time, and must not wait. Requests for the
    ///   same path that arrive at the same moment share an answer.
    package init(
        _ address: ListenAddress, limits: AdminServerLimits = AdminServerLimits(), _ answer: @escaping Handler
    ) throws(ListenError) {
        self.limits = limits
        listener = try address.listen()
        port = boundPort(listener)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            let code = errno
            close(listener)
            throw ListenError(code, address)
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wake = (ends[0], ends[1])
        let code = startThread { self.serve(answer) }
        guard code == 0 else {
            close(listener)
            throw ListenError(code, address)
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

    private func serve(_ answer: @escaping Handler) {
        var table = ConnectionTable(limits)
        var canAccept = true
        while true {
            var polled =
                [
                    pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: listener, events: canAccept ? Int16(POLLIN) : 0, revents: 0),
                ] + table.connections.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            let ready = poll(&polled, nfds_t(polled.count), table.isEmpty && canAccept ? -1 : 250)
            if ready < 0, errno != EINTR { break }
            if ready > 0, polled[0].revents != 0 { break }
            let now = ContinuousClock.now
            let responses = ResponseCache(answer)
            table.advance(where: { ready > 0 && polled[$0 + 2].revents != 0 }, responses, now: now)
            table.removeFinished(now: now)
            canAccept = ready > 0 && polled[1].revents != 0 ? accept(into: &table, responses, now) : true
            table.removeFinished(now: now)
        }
        table.dropAll()
        close(listener)
        let continuations = waiting.withLock { waiting in
            waiting.isOver = true
            defer { waiting.continuations = [] }
            return waiting.continuations
        }
        for continuation in continuations { continuation.resume() }
    }

    /// Accepts those that wait, at most as many as the table holds, so that the others have their turn. Returns false if
    /// the process is out of descriptors although every connection is dropped; they wait then.
    private func accept(
        into table: inout ConnectionTable, _ responses: ResponseCache, _ now: ContinuousClock.Instant
    ) -> Bool {
        for _ in 0..<limits.maximumConnections {
            var address = sockaddr_storage()
            var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let descriptor = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.accept(listener, $0, &size)
                }
            }
            guard descriptor >= 0 else {
                if errno == EAGAIN || errno == EINTR || errno == ECONNABORTED { return true }
                guard !table.isEmpty else { return false }
                table.dropOldestOfBusiestPeer()
                continue
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            table.add(
                ClientConnection(descriptor, from: PeerAddress(address), limits, now: now), responses,
                now: now)
        }
        return true
    }

    deinit {
        // Only now can no `stop` write to it any more.
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
