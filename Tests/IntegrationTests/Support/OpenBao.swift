import Envelope
import Foundation
import KMS
import Settings
import Testing

/// An OpenBao that `hack/openbao` runs beside a cluster, set up by docs/vault.md.
struct OpenBao: Sendable {
    let directory: String
    let address: String
    let authorities: String
    private let script: String
    private let program: String
    private let rootToken: String
    private let cluster: Cluster

    /// Starts one beside the shared cluster and stops it after `body`.
    static func with(_ body: (OpenBao) async throws -> Void) async throws {
        let settings = try Settings.required()
        let directory = FileManager.default.temporaryDirectory.appending(path: "sb-bao-\(UUID().uuidString)")
            .path
        let script = "\(settings.repository)/hack/openbao"
        func run(_ arguments: String...) async throws {
            let outcome = try await Program(script, arguments + ["--dir", directory]).outcome()
            guard outcome.status == 0 else { throw ProgramFailure(command: script, outcome: outcome) }
        }
        // docs/vault.md binds a Vault role to the service account of this role.
        try await settings.installRole()
        do {
            try await run("up", "--cluster", settings.sharedCluster.directory)
            try await body(try await OpenBao(directory, script, settings.sharedCluster))
        } catch {
            try? await run("down")
            throw error
        }
        try await run("down")
    }

    private init(_ directory: String, _ script: String, _ cluster: Cluster) async throws {
        self.directory = directory
        self.script = script
        self.cluster = cluster
        let shell = try await Program(
            "/bin/bash",
            ["-c", #". "$0/env"; printf '%s\n' "$BAO_ADDR" "$BAO_CACERT" "$BAO" "$BAO_TOKEN""#, directory]
        ).outcome()
        let values = shell.output.split(separator: "\n").map(String.init)
        try #require(values.count == 4)
        (address, authorities, program, rootToken) = (values[0], values[1], values[2], values[3])
    }

    /// The port on the loopback interface.
    var port: UInt16 { address.split(separator: ":").last.flatMap { UInt16($0) } ?? 0 }

    /// Runs `hack/openbao COMMAND...`.
    @discardableResult
    func script(_ arguments: String...) async throws -> String {
        let outcome = try await Program(script, arguments + ["--dir", directory]).outcome()
        guard outcome.status == 0 else { throw ProgramFailure(command: "hack/openbao", outcome: outcome) }
        return outcome.output
    }

    /// Runs `bao ARGUMENTS...` as the administrator.
    @discardableResult
    func bao(_ arguments: String..., input: String = "") async throws -> String {
        let outcome = try await Program(
            program, arguments,
            environment: [
                "BAO_ADDR": address, "BAO_CACERT": authorities, "BAO_TOKEN": rootToken, "HOME": directory,
            ], input: Data(input.utf8)
        ).outcome()
        guard outcome.status == 0 else {
            throw ProgramFailure(command: "bao " + arguments.joined(separator: " "), outcome: outcome)
        }
        return outcome.output
    }

    /// Returns settings with a token of one of the policies of manifests/vault.
    func settings(token policy: String) async throws -> [String: String] {
        settings(["SB_KMS_VAULT_TOKEN": try await script("token", policy).trimmed])
    }

    /// Returns the settings of the controller's pod, with only a service account token for Vault.
    func podSettings(role: String = "secrets-bridge") async throws -> [String: String] {
        let file = "\(directory)/token-\(UUID().uuidString)"
        let token = try await cluster.kubectl(
            "-n", "secrets-bridge", "create", "token", "secrets-bridge", "--audience=vault", "--duration=1h")
        try Data(token.utf8).write(to: URL(filePath: file), options: .atomic)
        return settings([
            "SB_KMS_VAULT_AUTH": "kubernetes", "SB_KMS_VAULT_ROLE": role,
            "SB_KMS_VAULT_SA_TOKEN_FILE": file,
        ])
    }

    /// Returns the environment for hvac.
    func clientEnvironment(token policy: String) async throws -> [String: String] {
        [
            "KMS": "vault", "VAULT_ADDR": address, "VAULT_CACERT": authorities,
            "VAULT_TOKEN": try await script("token", policy).trimmed,
        ]
    }

    private func settings(_ login: [String: String]) -> [String: String] {
        [
            "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": address, "SB_KMS_VAULT_KEY": "sb-wrap",
            "SB_KMS_VAULT_CACERT": authorities,
        ].merging(login) { $1 }
    }

    /// Returns a key manager with a token of this policy.
    func key(_ policy: String) async throws -> any KeyManager {
        try KeyRing.load(from: Environment(try await settings(token: policy))).primary
    }

    var administratorsToken: String { rootToken }

    /// Returns another key of the same engine, with the administrator's token.
    func administratorsKey(_ name: String) throws -> any KeyManager {
        let settings = settings(["SB_KMS_VAULT_TOKEN": rootToken, "SB_KMS_VAULT_KEY": name])
        return try KeyRing.load(from: Environment(settings)).primary
    }

    /// Returns the number of requests in the audit log after the first `start` entries, of `path` if it is given. A request
    /// has an entry on arrival; requests to a sealed server have none.
    func requests(_ path: String? = nil, from start: Int = 0) throws -> Int {
        let log = try String(contentsOfFile: "\(directory)/audit.log", encoding: .utf8)
        return try log.split(separator: "\n").dropFirst(start).count { line in
            let entry = try JSONDecoder().decode(AuditEntry.self, from: Data(line.utf8))
            return entry.type == "request" && (path == nil || entry.request.path == path)
        }
    }

    /// Returns the number of entries in the audit log.
    func auditEntries() throws -> Int {
        try String(contentsOfFile: "\(directory)/audit.log", encoding: .utf8).split(separator: "\n").count
    }

    private struct AuditEntry: Decodable {
        struct Request: Decodable { let path: String? }
        let type: String
        let request: Request
    }
}

extension String {
    var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}

/// Gives a suite a dedicated OpenBao beside the shared cluster.
struct DedicatedOpenBao: SuiteTrait, TestScoping {
    @TaskLocal private static var current: OpenBao?

    static func required() throws -> OpenBao { try #require(current) }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await OpenBao.with { bao in
            try await Self.$current.withValue(bao, operation: function)
        }
    }
}

extension Trait where Self == DedicatedOpenBao {
    static var dedicatedOpenBao: Self { DedicatedOpenBao() }
}
