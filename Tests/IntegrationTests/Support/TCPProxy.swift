import Foundation
import System

/// A proxy between a client and a server on loopback that can fail as networks do.
final class TCPProxy: Sendable {
    enum Mode: Sendable {
        case forwards
        /// Nothing passes in either direction, without an error. Data that was sent meanwhile arrives when the proxy
        /// forwards again.
        case hangs
        /// Connections are closed, new ones at once.
        case drops
    }

    let port: UInt16
    private let listener: Int32
    private let target: UInt16
    private let mode = Locked(Mode.forwards)

    init(to target: UInt16) throws {
        self.target = target
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = Self.loopback(0)
        let bound = Self.withAddress(&address) { bind(listener, $0, $1) }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let named = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        guard bound == 0, named == 0, listen(listener, 128) == 0 else {
            defer { close(listener) }
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EADDRINUSE)
        }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in acceptAll() }
    }

    func set(_ new: Mode) { mode.withLock { $0 = new } }

    /// Closes all connections and the port.
    func stop() {
        set(.drops)
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Self.loopback(target)
            let isOpen = mode.withLock { if case .drops = $0 { false } else { true } }
            guard isOpen, Self.withAddress(&address, { connect(server, $0, $1) }) == 0 else {
                close(client)
                close(server)
                continue
            }
            // The direction that ends last closes both sockets.
            let open = Locked(2)
            for (from, to) in [(client, server), (server, client)] {
                Thread.detachNewThread { [self] in
                    pump(from, to)
                    shutdown(from, Int32(SHUT_RDWR))
                    shutdown(to, Int32(SHUT_RDWR))
                    let left = open.withLock { open in
                        open -= 1
                        return open
                    }
                    if left == 0 {
                        close(from)
                        close(to)
                    }
                }
            }
        }
    }

    private func pump(_ from: Int32, _ to: Int32) {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            var waiting = pollfd(fd: from, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, 20)
            switch mode.withLock({ $0 }) {
            case .drops: return
            case .hangs:
                usleep(20_000)
                continue
            case .forwards: break
            }
            guard ready != 0 else { continue }
            let count = read(from, &buffer, buffer.count)
            guard count > 0 else { return }
            var sent = 0
            while sent < count {
                let written = buffer[sent..<count].withUnsafeBytes {
                    send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard written > 0 else { return }
                sent += written
            }
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        return address
    }

    private static func withAddress(
        _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// Listens on the port of a stopped server, accepts and closes each connection, and counts them.
final class ConnectionCounter: Sendable {
    private let listener: Int32
    private let count = Locked(0)

    init(port: UInt16) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(listener, 128) == 0 else {
            defer { close(listener) }
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EADDRINUSE)
        }
        let count = count
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                count.withLock { $0 += 1 }
                close(connection)
            }
        }
    }

    /// Frees the port and returns the number of connections.
    func stop() -> Int {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        return count.withLock { $0 }
    }
}
