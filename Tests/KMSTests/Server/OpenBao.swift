import Foundation
import Glibc
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport

@testable import KMS

/// A real OpenBao server in development mode, on loopback, that stops when it is released. `SB_TEST_BAO` names the program;
/// without it these tests are skipped.
final class OpenBao: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let program = ProcessInfo.processInfo.environment["SB_TEST_BAO"]
    static var isAvailable: Bool { program != nil }

    let address: String
    let folder: TemporaryFolder
    let root = "root-\(UInt64.random(in: 0 ... .max))"
    private let process: Process
    private let transport = CurlClient(HTTPClientConfiguration(proxy: .none))

    /// - Parameter listeners: Additional listeners, in the form of the server's configuration.
    init(listeners: [AnyJSON] = []) async throws {
        guard let program = Self.program else { throw Failure(description: "SB_TEST_BAO is not set") }
        folder = try TemporaryFolder()
        let port = try Self.freePort()
        address = "http://127.0.0.1:\(port)"
        let options: AnyJSON = ["file_path": .string("\(folder.path)/audit.log")]
        var configuration: AnyJSON = ["audit": [["type": "file", "path": "file", "options": options]]]
        if !listeners.isEmpty { configuration["listener"] = .array(listeners) }
        // The parser of the configuration rejects an escaped slash.
        let text = String(decoding: try configuration.data(), as: UTF8.self).replacingOccurrences(
            of: "\\/", with: "/")
        let file = try folder.write("config.json", text)
        process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = [
            "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=\(root)",
            "-dev-listen-address=127.0.0.1:\(port)", "-config=\(file)",
        ]
        process.environment = ["HOME": folder.path, "PATH": "/usr/bin:/bin"]
        let log = FileHandle(forWritingAtPath: try folder.write("log", ""))
        process.standardOutput = log
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        try process.run()
        try await waitUntilReady()
        try await post("sys/mounts/transit", ["type": "transit"])
    }

    deinit {
        resume()
        stop()
    }

    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    /// Suspends the process: it keeps its connections and does not respond.
    func freeze() { kill(process.processIdentifier, SIGSTOP) }
    func resume() { if process.isRunning { kill(process.processIdentifier, SIGCONT) } }

    /// Sends a request with the root token, by a JSON reader that the code under test does not use.
    @discardableResult
    func post(_ path: String, _ body: AnyJSON = [:], namespace: String? = nil) async throws -> AnyJSON {
        try await send(.post, path, body, namespace: namespace)
    }

    func get(_ path: String) async throws -> AnyJSON { try await send(.get, path, nil, namespace: nil) }

    private func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: AnyJSON?, namespace: String?
    ) async throws -> AnyJSON {
        var fields: HTTPFields = [:]
        if let name = HTTPField.Name("X-Vault-Token") { fields[name] = root }
        if let name = HTTPField.Name("X-Vault-Namespace") { fields[name] = namespace }
        let (head, bytes) = try await transport.send(
            HTTPClientRequest(
                method: method, url: "\(address)/v1/\(path)", fields: fields,
                body: try body.map { .bytes([UInt8](try $0.data())) } ?? .none), upTo: 1 << 20)
        guard head.status.kind == .successful else {
            throw Failure(
                description: "\(method) \(path): \(head.status) \(String(decoding: bytes, as: UTF8.self))")
        }
        return bytes.isEmpty ? .null : try AnyJSON(bytes)
    }

    func makeKey(_ name: String = "sb-wrap", isDerived: Bool = true) async throws {
        try await post("transit/keys/\(name)", ["derived": .bool(isDerived)])
    }

    func makePolicy(_ name: String, _ paths: String...) async throws {
        let text = paths.map { #"path "\#($0)" { capabilities = ["update"] }"# }.joined(separator: "\n")
        try await post("sys/policies/acl/\(name)", ["policy": .string(text)])
    }

    func makeToken(policies: [String], ttl: String = "1h") async throws -> String {
        let token = try await post(
            "auth/token/create",
            ["policies": .array(policies.map { .string($0) }), "ttl": .string(ttl)])
        return token["auth"]?["client_token"]?.string ?? ""
    }

    /// Creates an AppRole with these policies.
    ///
    /// - Returns: The settings of a key manager that uses it.
    func makeAppRole(policies: [String], ttl: String, maximum: String = "1h") async throws -> [String: String]
    {
        _ = try? await post("sys/auth/approle", ["type": "approle"])
        try await post(
            "auth/approle/role/sb",
            [
                "token_policies": .array(policies.map { .string($0) }), "token_ttl": .string(ttl),
                "token_max_ttl": .string(maximum),
            ])
        let role = try await get("auth/approle/role/sb/role-id")
        let secret = try await post("auth/approle/role/sb/secret-id", [:])
        return [
            "SB_KMS_VAULT_AUTH": "approle",
            "SB_KMS_VAULT_ROLE_ID": role["data"]?["role_id"]?.string ?? "",
            "SB_KMS_VAULT_SECRET_ID": secret["data"]?["secret_id"]?.string ?? "",
        ]
    }

    var unsealKey: String {
        let log = (try? folder.read("log")) ?? ""
        return log.split(separator: "\n").first { $0.hasPrefix("Unseal Key: ") }.map {
            String($0.dropFirst(12))
        } ?? ""
    }

    /// Returns the number of requests to `path` in the audit log.
    func requests(_ path: String) throws -> Int {
        let log = try folder.read("audit.log")
        return try log.split(separator: "\n").count { line in
            let entry = try AnyJSON(Array(line.utf8))
            return entry["type"]?.string == "request" && entry["request"]?["path"]?.string == path
        }
    }

    /// Returns a key manager of these settings, with the root token if they name no auth method.
    func manager(_ settings: [String: String] = [:], key: String = "sb-wrap") throws -> TransitKeyManager {
        var values = ["SB_KMS_VAULT_ADDR": address, "SB_KMS_VAULT_KEY": key]
        if settings.keys.allSatisfy({ !$0.hasPrefix("SB_KMS_VAULT_TOKEN") && $0 != "SB_KMS_VAULT_AUTH" }) {
            values["SB_KMS_VAULT_TOKEN"] = root
        }
        return try TransitKeyManager.load(from: Environment(values.merging(settings) { $1 }))[0]
    }

    private func waitUntilReady() async throws {
        for _ in 0..<600 {
            if (try? await get("sys/health")) != nil { return }
            guard process.isRunning else { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        let log = (try? folder.read("log")) ?? ""
        throw Failure(description: "OpenBao did not start: \(log.suffix(2000))")
    }

    /// Returns a free port whose successor is free, too: the server uses it for its cluster.
    static func freePort() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 20000..<32000)
            if isFree(port), isFree(port + 1) { return port }
        }
        throw Failure(description: "no free port")
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
