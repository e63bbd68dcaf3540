import Glibc
import System

/// An HTTP/1.1 server on a free loopback port that runs a script for each connection, on its own thread. It produces faults
/// that real servers do not produce on demand, and stops when it is released.
package final class FakeServer: Sendable {
    package typealias Script = @Sendable (FakeConnection) -> Void

    package let port: Int
    private let listener: Int32
    private let connections: Locked<[FakeConnection]>

    package var url: String { "http://127.0.0.1:\(port)" }
    package var connectionCount: Int { connections.withLock { $0.count } }

    package init(_ script: @escaping Script) throws {
        let (listener, port) = try listenOnLoopback()
        let connections = Locked<[FakeConnection]>([])
        (self.listener, self.port, self.connections) = (listener, port, connections)
        try run {
            while case let fd = accept(listener, nil, nil), fd >= 0 {
                let connection = FakeConnection(fd)
                connections.withLock { $0.append(connection) }
                try? run {
                    script(connection)
                    connection.close()
                }
            }
            Glibc.close(listener)
        }
    }

    /// Makes a server that responds to every request with the result of `answer`.
    package static func responding(_ answer: @escaping @Sendable (FakeRequest) -> String) throws -> FakeServer
    {
        try FakeServer { connection in
            while let request = connection.readRequest() {
                guard connection.send(answer(request)) else { return }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        for connection in connections.withLock({ $0 }) { connection.close() }
    }
}

package struct FakeRequest: Sendable {
    package let head: String
    package let body: [UInt8]

    package var line: String { head.split(separator: "\r\n").first.map(String.init) ?? "" }

    package func field(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts[0].lowercased() == name.lowercased() {
                return parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
            }
        }
        return nil
    }
}

/// Blocking reads and writes on one accepted connection.
package final class FakeConnection: Sendable {
    private let fd: Locked<Int32>

    package init(_ fd: Int32) {
        self.fd = Locked(fd)
    }

    package func readRequest() -> FakeRequest? {
        var bytes: [UInt8] = []
        while true {
            if let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                var body = Array(bytes[end.upperBound...])
                let length =
                    FakeRequest(head: head, body: []).field("content-length").flatMap { Int($0) } ?? 0
                while body.count < length {
                    guard let more = read() else { return nil }
                    body += more
                }
                return FakeRequest(head: head, body: body)
            }
            guard let more = read() else { return nil }
            bytes += more
        }
    }

    /// Returns nil at the end of the connection.
    package func read() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(fd.withLock { $0 }, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    /// Reads without keeping the bytes. Returns their number.
    package func readAndWipe() -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 1)
        defer { buffer.deallocate() }
        let count = recv(fd.withLock { $0 }, buffer.baseAddress, buffer.count, 0)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        return count
    }

    /// Blocks until the client has closed its end.
    package func waitForClose() {
        while read() != nil {}
    }

    @discardableResult
    package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(fd.withLock { $0 }, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Resets the connection.
    package func abort() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        fd.withLock {
            _ = setsockopt($0, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        }
        close()
    }

    package func close() {
        fd.withLock { fd in
            guard fd >= 0 else { return }
            shutdown(fd, Int32(SHUT_RDWR))
            Glibc.close(fd)
            fd = -1
        }
    }
}

package struct SocketFailure: Error {
    package init() {}
}

/// Opens a listening socket on a free loopback port. With a backlog of 0 and without `accept`, connecting hangs.
package func listenOnLoopback(backlog: Int32 = 1024) throws -> (listener: Int32, port: Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(listener, address, length) | listen(listener, backlog)
                | getsockname(listener, address, &length)
        }
    }
    guard listener >= 0, result == 0 else { throw SocketFailure() }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
}

/// Returns nil if no socket listens on the port.
package func connectToLoopback(port: Int) -> Int32? {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: port)
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0 else {
        close(fd)
        return nil
    }
    return fd
}

/// Runs `body` on its own thread.
private func run(_ body: @escaping @Sendable () -> Void) throws {
    guard startThread(body) == 0 else { throw SocketFailure() }
}

private func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
    address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    return address
}
