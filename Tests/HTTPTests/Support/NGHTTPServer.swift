import Glibc

@testable import HTTP

/// nghttpd, nghttp2's own server: TLS and HTTP/2 that are not ours.
final class NGHTTPServer: Sendable {
    static let isInstalled = ChildProcess.isInstalled("nghttpd") && ChildProcess.isInstalled("openssl")

    let port: Int
    let certificates: TestCertificates
    private let documents: TemporaryDirectory
    private let process: ChildProcess

    /// Serves `files` by name. `options`: nghttpd's own.
    init(files: [String: [UInt8]] = ["small": Array("ok".utf8)], _ options: String...) async throws {
        certificates = try TestCertificates.shared.get()
        documents = try TemporaryDirectory()
        for (name, content) in files { try documents.write(name, content) }
        // It takes no port 0: try some, below the range from which clients get theirs.
        for _ in 0..<20 {
            let port = Int.random(in: 16_000..<32_000)
            guard connectToLoopback(port: port) == nil else { continue }
            let process = try ChildProcess(
                [ChildProcess.path(of: "nghttpd") ?? "nghttpd", "-a", "127.0.0.1", "-d", documents.path]
                    + options + [
                        "\(port)", certificates.directory.file("server.key"),
                        certificates.directory.file("server.crt"),
                    ])
            if await Self.answers(port, process) {
                (self.port, self.process) = (port, process)
                return
            }
        }
        throw ChildProcess.Failure(description: "nghttpd does not start")
    }

    private static func answers(_ port: Int, _ process: ChildProcess) async -> Bool {
        for _ in 0..<500 {
            if let fd = connectToLoopback(port: port) {
                close(fd)
                return true
            }
            if process.hasEnded { return false }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    func url(_ file: String = "small", host: String = "localhost") -> String {
        "https://\(host):\(port)/\(file)"
    }

    func client(
        _ change: (inout HTTPClientConfiguration) -> Void = { _ in }
    ) throws -> CurlClient {
        var configuration = HTTPClientConfiguration(trust: .pem(try certificates.pem("ca.crt")), proxy: .none)
        change(&configuration)
        return CurlClient(configuration)
    }
}
