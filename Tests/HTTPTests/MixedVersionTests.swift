import Foundation
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

/// A server whose connections differ in the version of HTTP.
@Suite(
    .enabled(if: TLSServer.isInstalled, "needs nghttpd (Debian: nghttp2-server) and openssl"),
    .timeLimit(.minutes(2)))
struct MixedVersionTests {
    /// libcurl alone sends the third request after the first one over the HTTP/1.1 connection, which it believes to multiplex,
    /// and takes the response to the first for that to the third when the first is cancelled.
    @Test func givesNoResponseToAnotherRequest() async throws {
        let server = try await MixedServer(["1", "2"], files: ["slow-1", "slow-2", "slow-3"])
        let client = try server.client()
        let first = Task { try await name(client, server, "slow-1") }
        try await Task.sleep(for: .milliseconds(100))
        async let second = name(client, server, "slow-2")
        try await Task.sleep(for: .milliseconds(100))
        async let third = name(client, server, "slow-3")
        try await Task.sleep(for: .milliseconds(80))
        first.cancel()
        #expect(try await second == "slow-2")
        #expect(try await third == "slow-3")
        await client.shutdown()
    }

    @Test func givesNoResponseToAnotherRequestWhenManyAreCancelled() async throws {
        let names = (0..<60).map { "slow-\($0)" }
        let server = try await MixedServer(["1", "2", "1", "2"], files: names)
        let client = try server.client()
        await withTaskGroup(of: Void.self) { group in
            for (index, file) in names.enumerated() {
                group.addTask {
                    try? await Task.sleep(for: .milliseconds(20 * index))
                    let task = Task { try await name(client, server, file) }
                    if index % 3 == 0 {
                        try? await Task.sleep(for: .milliseconds(Int.random(in: 0..<600)))
                        task.cancel()
                    }
                    if case .success(let received) = await task.result { #expect(received == file) }
                }
            }
        }
        await client.shutdown()
    }

    /// The server that answers first has been replaced by one that speaks HTTP/2.
    @Test func offersHTTP2AgainAfterAThousandRequests() async throws {
        let server = try await MixedServer(["1", "2"], files: ["file"])
        let client = try server.client()
        for _ in 0..<1_000 {
            #expect(try await head(client, server, "file").fields[.server] == nil)
        }
        // Connections that are left from before are not used again.
        for _ in 0..<10 {
            #expect(try await head(client, server, "file").fields[.server]?.hasPrefix("nghttpd") == true)
        }
        await client.shutdown()
    }

    private func name(_ client: CurlClient, _ server: MixedServer, _ file: String) async throws -> String {
        let response = try await client.send(HTTPClientRequest(url: server.url(file)), upTo: 100)
        return String(decoding: response.body, as: UTF8.self)
    }

    private func head(
        _ client: CurlClient, _ server: MixedServer, _ file: String
    ) async throws -> HTTPResponseHead {
        try await client.withResponse(to: HTTPClientRequest(url: server.url(file))) { head, _ in head }
    }
}

/// Tests/Clients/mixed_versions.py before an nghttpd. Each file contains its name.
private final class MixedServer: Sendable {
    private let port: Int
    private let http2: TLSServer
    private let folder: TemporaryFolder
    private let process: ChildProcess

    /// - Parameter versions: The versions of the connections that offer HTTP/2.
    init(_ versions: [String], files: [String]) async throws {
        http2 = try await TLSServer(
            files: Dictionary(uniqueKeysWithValues: files.map { ($0, Array($0.utf8)) }))
        folder = try TemporaryFolder()
        let keys = http2.certificates.folder
        process = try ChildProcess(
            [
                Python.program, Python.repository.path + "/Tests/Clients/mixed_versions.py",
                keys.path("server.key"), keys.path("server.crt"), "\(http2.port)", folder.path("port"),
            ] + versions)
        for _ in 0..<1_000 {
            if let port = try? folder.read("port"), let port = Int(port) {
                self.port = port
                return
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw ChildProcess.Failure(description: "mixed_versions.py does not start")
    }

    func url(_ file: String) -> String { "https://localhost:\(port)/\(file)" }

    func client() throws -> CurlClient { try http2.client() }
}
