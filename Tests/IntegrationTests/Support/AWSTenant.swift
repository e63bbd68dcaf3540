import Envelope
import Foundation
import KubeClient
import Resources
import Testing

/// A team with a KMS key, an IAM role and a service account of its own, set up with the example of docs/tenancy.md.
struct AWSTenant: Sendable {
    let namespace: TestNamespace
    let aws: LoopbackAWS
    /// The ARN of the key.
    let key: String
    private let example: TenancyExample
    private static let account = "111122223333"

    var name: String { namespace.name }
    var alias: String { "arn:aws:kms:\(aws.region):\(Self.account):alias/sb-\(name)" }
    var role: String { "arn:aws:iam::\(Self.account):role/\(roleName)" }
    /// What KMS sees of the role.
    var session: String { "arn:aws:sts::\(Self.account):assumed-role/\(roleName)/secrets-bridge" }
    /// What STS sees of the service account.
    var subject: String { "system:serviceaccount:\(name):wrap-reader" }
    private var roleName: String { "secrets-bridge-\(name)" }

    init(_ namespace: TestNamespace, _ aws: LoopbackAWS) async throws {
        self.namespace = namespace
        self.aws = aws
        example = try TenancyExample()
        key = try await aws.aws("kms", "create-key", query: "KeyMetadata.Arn")
        try await aws.aws(
            "kms", "create-alias", "--alias-name", "alias/sb-\(namespace.name)", "--target-key-id", key)
        try await aws.aws(
            "iam", "create-role", "--role-name", roleName, "--assume-role-policy-document",
            example.trustPolicy(namespace.name, issuer: aws.issuer))
        try await allow(key)
        try await namespace.installTokenRole()
    }

    /// Replaces the permissions of the team's role by those for this key.
    func allow(_ key: String) async throws {
        try await aws.aws(
            "iam", "put-role-policy", "--role-name", roleName, "--policy-name", "own", "--policy-document",
            example.permissions(name, key: key))
    }

    func allowNothing() async throws {
        try await aws.aws("iam", "delete-role-policy", "--role-name", roleName, "--policy-name", "own")
    }

    func disableKey() async throws { try await aws.aws("kms", "disable-key", "--key-id", keyID) }
    func enableKey() async throws { try await aws.aws("kms", "enable-key", "--key-id", keyID) }
    private var keyID: String { key.split(separator: "/").last.map(String.init) ?? key }

    /// Creates a KeyProvider for the team's key.
    func createProvider(
        _ name: String = "own", of cluster: String, key: String? = nil, role: String? = nil
    ) async throws {
        try await namespace.createProvider(name, of: cluster, key: key ?? alias, role: role ?? self.role)
    }

    /// Wraps values with the credentials of a developer of the team.
    func wrap(
        _ name: String, _ values: [String: String], provider: String = "own", kind: String = "KeyProvider"
    ) async throws -> Manifest {
        let settings = try await aws.settings(user: "developer", self.name, key, key, key: alias)
        var manifest = try await namespace.wrap(name, values, with: try aws.key(settings))
        manifest.spec.keyRef = .init(kind: kind, name: provider)
        return manifest
    }

    /// Returns the `spec` of a ClusterKeyProvider that lets these teams use their own key and role.
    static func providerSpec(_ aws: LoopbackAWS, for teams: AWSTenant...) throws -> String {
        try TenancyExample().providerSpec(aws, teams.map(\.name))
    }
}

/// The example of docs/tenancy.md for AWS.
private struct TenancyExample {
    private let trust: String
    private let permission: String
    private let provider: String

    init() throws {
        let page = try String(
            contentsOfFile: "\(Settings.required().repository)/docs/tenancy.md", encoding: .utf8)
        let section = try #require(
            page.components(separatedBy: "\n## ").first { $0.hasPrefix("Example: two teams, two keys, AWS") })
        let parts = section.components(separatedBy: "\n```")
        let blocks = stride(from: 1, to: parts.count, by: 2).map {
            parts[$0].split(separator: "\n").dropFirst().joined(separator: "\n")
        }
        try #require(blocks.count == 3)
        (trust, permission, provider) = (blocks[0], blocks[1], blocks[2])
    }

    func trustPolicy(_ team: String, issuer: String) -> String {
        document(
            trust.replacing("oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE", with: issuer)
                .replacing("team-a", with: team))
    }

    func permissions(_ team: String, key: String) -> String {
        let example = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        return document(permission.replacing(example, with: key).replacing("team-a", with: team))
    }

    func providerSpec(_ aws: LoopbackAWS, _ teams: [String]) throws -> String {
        let object = try #require(provider.components(separatedBy: "\n---\n").first)
        let spec = try #require(object.components(separatedBy: "\nspec:\n").last)
        return spec.split(separator: "\n").map { $0.dropFirst(2) }.joined(separator: "\n")
            .replacing("[team-a, team-b]", with: "[\(teams.joined(separator: ", "))]")
            .replacing(
                "awsKMS:\n", with: "awsKMS:\n  endpoint: \(aws.endpoint)\n  stsEndpoint: \(aws.endpoint)\n")
    }

    private func document(_ statement: String) -> String {
        #"{"Version": "2012-10-17", "Statement": [\#(statement)]}"#
    }
}
