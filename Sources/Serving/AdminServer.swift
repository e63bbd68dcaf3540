import Glibc
import System

/// Serves metrics and health over HTTP/1.1 on its own thread, which waits in poll(2). So it responds even if the
/// process's tasks are stuck, and can report that.
///
/// Each new connection is accepted and, if its request has arrived, answered in the same round. Slow, silent or many
/// clients do not delay others, and use no more resources than `AdminServerLimits` allow.
package final class AdminServer: Sendable {
    package typealias Handler = @Sendable (AdminRequest) -> AdminResponse

    private let listener: Int32
    private let limits: AdminServerLimits
    /// A pipe that `stop` writes to, to end the poll.
    private let wake: (read: Int32, write: Int32)
    private let shutdown = Locked<(isComplete: Bool, waiters: [CheckedContinuation<Void, Never>])>(
        (false, []))

    package let port: UInt16

    /// Starts to listen and serve.
    ///
    /// - Parameter handler: Called on the server's thread, for one request at a time. It must not block. Requests for
    ///   the same path that arrive in the same round share a response.
    package init(
        _ address: ListenAddress, limits: AdminServerLimits = AdminServerLimits(),
        _ handler: @escaping Handler
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
        // If this fails, `deinit` closes the pipe, because all properties are set.
        let code = startServiceThread(name: "sb-status") { self.serve(handler) }
        guard code == 0 else {
            close(listener)
            throw ListenError(code, address)
        }
    }

    /// Stops the server, and returns when the port is free. It may be called several times.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let (isComplete, isFirst) = shutdown.withLock { shutdown in
                if !shutdown.isComplete { shutdown.waiters.append(continuation) }
                return (shutdown.isComplete, shutdown.waiters.count == 1)
            }
            if isComplete {
                continuation.resume()
            } else if isFirst {
                var byte: UInt8 = 0
                _ = write(wake.write, &byte, 1)
            }
        }
    }

    private func serve(_ handler: @escaping Handler) {
        var table = ConnectionTable(limits)
        // False if the process has no descriptor left for a waiting connection, which would end each poll at once.
        var canAccept = true
        while true {
            var polled =
                [
                    pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: listener, events: canAccept ? Int16(POLLIN) : 0, revents: 0),
                ] + table.connections.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            // The timeout (250 ms) is for the deadlines of connections, and for another attempt to accept.
            let ready = poll(&polled, nfds_t(polled.count), table.isEmpty && canAccept ? -1 : 250)
            if ready < 0, errno != EINTR { break }
            if ready > 0, polled[0].revents != 0 { break }
            let now = ContinuousClock.now
            let responses = ResponseCache(handler)
            // The first two elements are the pipe and the listener.
            table.advance(where: { ready > 0 && polled[$0 + 2].revents != 0 }, responses, now: now)
            table.removeFinished(now: now)
            canAccept = ready > 0 && polled[1].revents != 0 ? accept(into: &table, responses, now) : true
            table.removeFinished(now: now)
        }
        table.dropAll()
        close(listener)
        let waiters = shutdown.withLock { shutdown in
            shutdown.isComplete = true
            defer { shutdown.waiters = [] }
            return shutdown.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Accepts waiting connections, at most as many as the table holds, so that the established ones are served too.
    ///
    /// - Returns: False if the process is out of descriptors although all connections were dropped.
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
                // The process is out of descriptors or memory; a dropped connection returns some.
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
        // `stop` writes to the pipe as long as the server exists.
        close(wake.read)
        close(wake.write)
    }
}

/// The resources that the clients of an `AdminServer` may use. The defaults suit probes and scrapes.
package struct AdminServerLimits: Sendable {
    /// The number of connections. A further connection replaces an older one.
    package var maximumConnections = 128
    /// The time from the connection to the end of the request head.
    package var headDeadline = Duration.seconds(2)
    /// The time from the request head to the last byte of the response.
    package var responseDeadline = Duration.seconds(10)
    /// The time for the client to close its side after the response.
    package var closeDeadline = Duration.seconds(1)
    /// The number of response bytes that all clients together have not read yet. A single response may be larger.
    package var maximumUnsentBytes = 8 << 20

    package init() {}
}
