import Glibc
import System
import TestSupport

@testable import HTTP

/// A proxy that tunnels every CONNECT to loopback and records its requests.
final class FakeProxy: Sendable {
    private let server: FakeServer
    private let recorded: Locked<[FakeRequest]>

    var url: String { server.url }
    var requests: [FakeRequest] { recorded.withLock { $0 } }

    /// - Parameter refusal: a status with which the proxy refuses every request.
    init(refusal: String? = nil) throws {
        let recorded = Locked<[FakeRequest]>([])
        self.recorded = recorded
        server = try FakeServer { client in
            guard let request = client.readRequest() else { return }
            recorded.withLock { $0.append(request) }
            if let refusal {
                client.send("HTTP/1.1 \(refusal)\r\nContent-Length: 0\r\n\r\n")
                return
            }
            let words = request.line.split(separator: " ")
            guard words[0] == "CONNECT", let port = words[1].split(separator: ":").last.flatMap({ Int($0) }),
                let fd = connectToLoopback(port: port)
            else {
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied")
                return
            }
            let upstream = FakeConnection(fd)
            client.send("HTTP/1.1 200 Connection established\r\n\r\n")
            _ = startThread { Self.pump(from: upstream, to: client) }
            Self.pump(from: client, to: upstream)
        }
    }

    private static func pump(from source: FakeConnection, to sink: FakeConnection) {
        while let bytes = source.read(), sink.send(bytes) {}
        source.close()
        sink.close()
    }
}
