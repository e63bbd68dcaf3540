import Foundation
import System
import Testing

extension TenantAttempts {
    /// A pod of the tenant that reaches the port for metrics and health, where no NetworkPolicy is enforced.
    @Suite struct TenantConnectionTests {
        private static let count = 1000

        @Test func halfOpenConnectionsDoNotStarveTheProbes() async throws {
            try await TenantStage.attempt { stage in
                let status = try await stage.controller.status()
                let isOver = Locked(false)
                let (port, opened) = (status.port, Locked(0))
                // A dropped connection is opened again.
                defer { isOver.withLock { $0 = true } }
                for head in ["", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
                    _ = startThread { Self.hold(port, head, opened) { isOver.withLock { $0 } } }
                }
                try await eventually("the connections are open") { opened.withLock { $0 } >= Self.count / 2 }
                for _ in 0..<8 {
                    for page in ["/healthz", "/readyz", "/metrics"] {
                        // A new connection can replace that of a probe; the kubelet acts after three failures.
                        let first = await isPrompt(status, page)
                        let second = await isPrompt(status, page)
                        #expect(first || second, "\(page)")
                    }
                    try await Task.sleep(for: .milliseconds(200))
                }
                try await stage.victims.expectServed("with \(Self.count) connections")
            }
        }

        private func isPrompt(_ status: StatusClient, _ page: String) async -> Bool {
            let start = ContinuousClock.now
            let answer = try? await status.get(page)
            return answer?.status == 200 && ContinuousClock.now - start < .seconds(1)
        }

        /// Keeps a third of the connections open, each with the beginning of a request, until the end.
        private static func hold(_ port: Int, _ head: String, _ opened: Locked<Int>, _ isOver: () -> Bool) {
            var connections: [Int32] = []
            while !isOver() {
                connections.removeAll { connection in
                    var byte: UInt8 = 0
                    let received = recv(connection, &byte, 1, Int32(MSG_DONTWAIT))
                    guard received >= 0 || errno != EAGAIN else { return false }
                    close(connection)
                    return true
                }
                while connections.count < count / 3, let connection = connect(port, head) {
                    connections.append(connection)
                    opened.withLock { $0 += 1 }
                }
                usleep(50_000)
            }
            for connection in connections { close(connection) }
        }

        private static func connect(_ port: Int, _ head: String) -> Int32? {
            let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard connection >= 0 else { return nil }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let isConnected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isConnected, send(connection, head, head.utf8.count, Int32(MSG_NOSIGNAL)) >= 0
            else {
                close(connection)
                return nil
            }
            return connection
        }
    }
}
