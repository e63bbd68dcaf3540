import Foundation
import HTTP
import HTTPTypes

/// Reads the status pages of a program on this machine, with the HTTP client of this project.
struct StatusClient: Sendable {
    let port: Int
    private let transport = CurlClient(HTTPClientConfiguration(plainHTTP: .always))

    /// Takes the port from the log of a controller with `--metrics-address 127.0.0.1:0`.
    init(log: String) throws {
        for line in log.split(separator: "\n") where line.contains("serving metrics and health") {
            port = try JSONDecoder().decode(Line.self, from: Data(line.utf8)).number
            return
        }
        throw PortNotLogged()
    }

    private struct Line: Decodable {
        let port: String
        var number: Int { Int(port) ?? 0 }
    }

    private struct PortNotLogged: Error {}

    func get(_ path: String) async throws -> (status: Int, text: String) {
        let request = HTTPClientRequest(
            method: .get, url: "http://127.0.0.1:\(port)\(path)", timeout: .seconds(20))
        return try await transport.withResponse(to: request) { head, body in
            (head.status.code, String(decoding: try await body.collect(upTo: 16 << 20), as: UTF8.self))
        }
    }

    func metrics() async throws -> String { try await get("/metrics").text }

    /// Returns the value of a series, or nil if the page does not have it.
    func metric(_ series: String) async throws -> Double? {
        let line = try await metrics().split(separator: "\n").first { $0.hasPrefix("\(series) ") }
        return line.flatMap { Double($0.dropFirst(series.count + 1)) }
    }
}
