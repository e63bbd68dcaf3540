import Envelope
import Foundation
import KMS
import Settings
import Testing

/// KMS, STS and IAM that `hack/aws` runs beside a cluster, set up by docs/aws-kms.md.
struct LoopbackAWS: Sendable {
    let directory: String
    let endpoint: String
    let region: String
    let role: String
    /// The OIDC provider of the cluster in IAM, without `https://`.
    let issuer: String
    private let script: String
    private let cluster: Cluster

    /// Starts one beside the shared cluster and stops it after `body`.
    static func with(_ body: (LoopbackAWS) async throws -> Void) async throws {
        let settings = try Settings.required()
        let directory = FileManager.default.temporaryDirectory.appending(path: "sb-aws-\(UUID().uuidString)")
            .path
        let script = "\(settings.repository)/hack/aws"
        func run(_ arguments: String...) async throws {
            let outcome = try await Program(script, arguments + ["--dir", directory]).outcome(
                within: .seconds(240))
            guard outcome.status == 0 else { throw ProgramFailure(command: script, outcome: outcome) }
        }
        // The IAM role of docs/aws-kms.md trusts the service account of this role.
        try await settings.installRole()
        do {
            try await run("up", "--cluster", settings.sharedCluster.directory)
            try await body(try await LoopbackAWS(directory, script, settings.sharedCluster))
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
            [
                "-c",
                #". "$0/env"; . "$0/settings"; printf '%s\n' "$SB_AWS_ENDPOINT" "$SB_AWS_REGION" "$SB_AWS_ROLE_ARN" "${ISSUER#https://}""#,
                directory,
            ]
        ).outcome()
        let values = shell.output.split(separator: "\n").map(String.init)
        try #require(values.count == 4)
        (endpoint, region, role, issuer) = (values[0], values[1], values[2], values[3])
    }

    /// Runs `hack/aws COMMAND...`.
    @discardableResult
    func script(_ arguments: String...) async throws -> String {
        let outcome = try await Program(script, arguments + ["--dir", directory]).outcome()
        guard outcome.status == 0 else { throw ProgramFailure(command: "hack/aws", outcome: outcome) }
        return outcome.output
    }

    /// Runs `aws COMMAND...` as the administrator and returns the value of a query.
    @discardableResult
    func aws(_ arguments: String..., query: String? = nil) async throws -> String {
        let output = ["--output", "text"] + (query.map { ["--query", $0] } ?? [])
        let outcome = try await Program(script, ["run"] + arguments + output + ["--dir", directory]).outcome()
        guard outcome.status == 0 else {
            throw ProgramFailure(command: "aws " + arguments.joined(separator: " "), outcome: outcome)
        }
        return outcome.output.trimmed
    }

    /// Returns the settings of a user with the access keys from `hack/aws keys ARGUMENTS...`.
    func settings(user arguments: String..., key: String = "alias/sb-wrap") async throws -> [String: String] {
        let outcome = try await Program(script, ["keys"] + arguments + ["--dir", directory]).outcome()
        guard outcome.status == 0 else { throw ProgramFailure(command: "hack/aws keys", outcome: outcome) }
        let lines = outcome.output.split(separator: "\n")
        let keys = lines.map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        return settings(key, Dictionary(uniqueKeysWithValues: keys.map { ($0[0], $0[1]) }))
    }

    /// Returns the settings of the controller's pod as EKS sets them for a service account with a role.
    func podSettings(tokenFile: String? = nil, key: String = "alias/sb-wrap") async throws -> [String: String]
    {
        let file = tokenFile ?? "\(directory)/token-\(UUID().uuidString)"
        try await writeToken(file)
        return settings(key, ["AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": file])
    }

    /// Writes a token of the controller's service account atomically, as the kubelet does.
    func writeToken(_ file: String, audience: String = "sts.amazonaws.com") async throws {
        let token = try await cluster.kubectl(
            "-n", "secrets-bridge", "create", "token", "secrets-bridge", "--audience=\(audience)",
            "--duration=1h")
        try Data(token.utf8).write(to: URL(filePath: file), options: .atomic)
    }

    private func settings(_ key: String, _ credentials: [String: String]) -> [String: String] {
        // Excludes the AWS settings of this machine.
        [
            "SB_KMS_BACKEND": "aws-kms", "SB_KMS_AWS_REGION": region, "SB_KMS_AWS_KEY_ID": key,
            "AWS_ENDPOINT_URL": endpoint, "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
        ].merging(credentials) { $1 }
    }

    /// Returns a key manager that can wrap for this namespace and not unwrap.
    func developer(_ namespace: TestNamespace) async throws -> any KeyManager {
        try await key(settings(user: "developer", namespace.name))
    }

    func key(_ settings: [String: String]) throws -> any KeyManager {
        try KeyRing.load(from: Environment(settings)).primary
    }

    /// Returns the number of requests for `operation` after the first `start`.
    func requests(_ operation: String, from start: Int = 0) throws -> Int {
        try requests(from: start).count { $0.operation == operation }
    }

    /// Returns the number of all requests.
    func requestCount() throws -> Int { try requests().count }

    /// Returns the requests after the first `start`, as the servers have logged them.
    func requests(from start: Int = 0) throws -> [Request] {
        try String(contentsOfFile: "\(directory)/requests.log", encoding: .utf8).split(separator: "\n")
            .dropFirst(start).map { try JSONDecoder().decode(Request.self, from: Data($0.utf8)) }
    }

    struct Request: Decodable {
        let operation: String?
        let status: String
        /// The ARN of a user or of a role's session, or the subject of a token.
        let principal: String?
        /// The ARN of the key or the role.
        let resource: String?
        let context: [String: String]?

        var namespace: String? { context?["secrets-bridge.io/namespace"] }
    }
}

/// Gives a suite a dedicated AWS beside the shared cluster.
struct DedicatedAWS: SuiteTrait, TestScoping {
    @TaskLocal private static var current: LoopbackAWS?

    static func required() throws -> LoopbackAWS { try #require(current) }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await LoopbackAWS.with { aws in
            try await Self.$current.withValue(aws, operation: function)
        }
    }
}

extension Trait where Self == DedicatedAWS {
    static var dedicatedAWS: Self { DedicatedAWS() }
}
