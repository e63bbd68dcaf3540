import Foundation
import HTTP
import HTTPTypes
import TestSupport

/// moto on loopback, with the RSA keys of hack/lib/aws_rsa.py. It ends when it is released, or with this process, when its standard
/// input closes.
final class MotoServer: Sendable {
    private static let started = Task { try await MotoServer() }

    /// Returns a server that verifies no signatures, which starts at the first call.
    static func shared() async throws -> MotoServer { try await started.value }

    let url: String
    private let process: Process
    private let input = Pipe()

    init() async throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            Python.program, "-B", "-c",
            """
            import os, sys
            sys.path.insert(0, 'hack/lib')
            import aws_rsa
            aws_rsa.install()
            from moto.server import ThreadedMotoServer
            server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
            server.start()
            print(server.get_host_and_port()[1], flush=True)
            sys.stdin.read()
            os._exit(0)
            """,
        ]
        process.currentDirectoryURL = Python.repository
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": NSTemporaryDirectory()]
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let line = output.fileHandleForReading.availableData
        let port = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard !port.isEmpty else { throw Python.Failure(description: "moto does not start") }
        url = "http://127.0.0.1:\(port)"
    }

    /// Enables the verification of signatures and policies.
    func verifySignatures() async throws {
        let (head, _) = try await CurlClient(HTTPClientConfiguration(proxy: .none)).send(
            HTTPClientRequest(
                method: .post, url: "\(url)/moto-api/reset-auth", fields: [.contentType: "text/plain"],
                body: .bytes(Array("0".utf8))), upTo: 1 << 16)
        guard head.status.code == 200 else {
            throw Python.Failure(description: "reset-auth: \(head.status)")
        }
    }
}
