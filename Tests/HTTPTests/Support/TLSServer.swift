import Glibc
import TestSupport

@testable import HTTP

/// A TLS server of another project: nghttpd for HTTP/2, `openssl s_server` for HTTP/1.1.
final class TLSServer: Sendable {
    static let isInstalled = ChildProcess.isInstalled("nghttpd") && ChildProcess.isInstalled("openssl")

    let port: Int
    let certificates: TestCertificates
    private let documents: TemporaryFolder
    private let process: ChildProcess

    /// Starts the server for the HTTP version of a mode. It serves `files` by name.
    init(
        for mode: HTTPClientRequest.TransferMode = .unary,
        files: [String: [UInt8]] = ["small": Array("ok".utf8)],
        _ options: [String] = []
    ) async throws {
        certificates = try TestCertificates.shared()
        documents = try TemporaryFolder()
        for (name, content) in files { try documents.write(name, content) }
        // The programs do not accept port 0, so this tries random ports below the ephemeral range.
        for _ in 0..<20 {
            let port = Int.random(in: 16_000..<32_000)
            guard connectToLoopback(port: port) == nil else { continue }
            let arguments =
                switch mode {
                case .unary: Self.nghttpd(port, documents, certificates, options)
                case .streaming: Self.openssl(port, certificates) + options
                }
            let process = try ChildProcess(arguments, in: documents.path)
            if await Self.answers(port, process) {
                (self.port, self.process) = (port, process)
                return
            }
        }
        throw ChildProcess.Failure(description: "the TLS server does not start")
    }

    private static func nghttpd(
        _ port: Int, _ documents: TemporaryFolder, _ certificates: TestCertificates, _ options: [String]
    ) -> [String] {
        [ChildProcess.path(of: "nghttpd") ?? "nghttpd", "-a", "127.0.0.1", "-d", documents.path] + options + [
            "\(port)", certificates.folder.path("server.key"), certificates.folder.path("server.crt"),
        ]
    }

    /// `openssl s_server` serves one connection at a time.
    private static func openssl(_ port: Int, _ certificates: TestCertificates) -> [String] {
        [
            ChildProcess.path(of: "openssl") ?? "openssl", "s_server", "-WWW", "-quiet", "-accept",
            "127.0.0.1:\(port)", "-key", certificates.folder.path("server.key"), "-cert",
            certificates.folder.path("server.crt"), "-CAfile", certificates.folder.path("ca.crt"),
        ]
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
