import Foundation
import System

/// Stands where a server was, and counts who comes: takes each connection and closes it.
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

    /// How many came. The port is free afterwards.
    func stop() -> Int {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        return count.withLock { $0 }
    }
}
