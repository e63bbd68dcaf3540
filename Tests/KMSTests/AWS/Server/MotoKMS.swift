import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport

@testable import KMS

/// moto's KMS, STS and IAM on loopback, which verify signatures and policies. All tests share one server. Each test creates its own
/// keys and users.
final class MotoKMS: Sendable {
    private static let started = Task { try await MotoKMS() }

    /// Returns the server, which starts at the first call.
    static func server() async throws -> MotoKMS { try await started.value }

    private let moto: MotoServer
    var url: String { moto.url }

    private init() async throws {
        moto = try await MotoServer()
        let admin = [
            "AWS_ENDPOINT_URL": moto.url, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        ]
        let key = try Self.python(
            admin, Self.user("admin", [["Effect": "Allow", "Action": "*", "Resource": "*"]]))
        verified = admin.merging(try Self.environment(key)) { $1 }
        try await moto.verifySignatures()
    }

    /// The settings of the administrator.
    private let verified: [String: String]

    /// Returns the output of a script, in which `kms` and `iam` are boto3's clients of an administrator.
    @discardableResult
    func python(_ script: String) throws -> String {
        try Self.python(verified, script)
    }

    private static func python(_ environment: [String: String], _ script: String) throws -> String {
        try AWSPython.forks.run(
            """
            kms, iam = boto3.client('kms'), boto3.client('iam')
            context = {'secrets-bridge.io/scope': 'strict', 'secrets-bridge.io/namespace': 'payments', 'secrets-bridge.io/name': 'db'}
            \(script)
            """, environment: environment)
    }

    /// Creates a key, and an alias for it. Returns the key's ARN.
    func createKey(alias: String? = nil, options: String = "") throws -> String {
        let alias = alias.map { "kms.create_alias(AliasName='\($0)', TargetKeyId=key['KeyId'])" } ?? ""
        return try python(
            """
            key = kms.create_key(\(options))['KeyMetadata']
            \(alias)
            print(key['Arn'], end='')
            """)
    }

    /// Creates a user with these permissions. Returns environment variables with its access key.
    func createUser(_ actions: String..., resource: String = "*") throws -> [String: String] {
        let statement: AnyJSON = [
            "Effect": "Allow", "Action": .array(actions.map { .string($0) }), "Resource": .string(resource),
        ]
        return try Self.environment(try python(Self.user("u-\(UUID().uuidString)", [statement])))
    }

    /// Makes a key manager with these settings. The default credentials are the administrator's.
    func manager(
        _ key: String, _ settings: [String: String] = [:], transport: (any HTTPTransport)? = nil
    ) throws -> AWSKeyManager {
        let values = verified.merging([
            "SB_KMS_AWS_KEY_ID": key, "SB_KMS_AWS_REGION": "eu-west-1",
        ]) { $1 }.merging(settings) { $1 }
        let environment = Environment(values)
        return AWSKeyManager(
            try AWSSettings.load(from: environment),
            credentials: StaticCredentials(
                value: testCredentials(
                    values["AWS_ACCESS_KEY_ID"] ?? "", secret: values["AWS_SECRET_ACCESS_KEY"] ?? "",
                    token: values["AWS_SESSION_TOKEN"])),
            transport: transport ?? CurlClient(HTTPClientConfiguration(proxy: .none)))
    }

    private static func user(_ name: String, _ statements: [AnyJSON]) throws -> String {
        let policy: AnyJSON = ["Version": "2012-10-17", "Statement": .array(statements)]
        return """
            iam.create_user(UserName='\(name)')
            iam.put_user_policy(UserName='\(name)', PolicyName='p', PolicyDocument='''\(String(decoding: try policy.data(), as: UTF8.self))''')
            key = iam.create_access_key(UserName='\(name)')['AccessKey']
            print(json.dumps({'AWS_ACCESS_KEY_ID': key['AccessKeyId'], 'AWS_SECRET_ACCESS_KEY': key['SecretAccessKey']}))
            """
    }

    private static func user(_ name: String, _ statements: [[String: String]]) throws -> String {
        try user(name, statements.map { .object($0.mapValues { .string($0) }) })
    }

    private static func environment(_ json: String) throws -> [String: String] {
        try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
    }
}

/// Credentials that are never replaced.
struct StaticCredentials: AWSCredentialsProvider {
    let value: AWSCredentials

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials { value }
    func invalidate(_ credentials: AWSCredentials) -> Bool { false }
}
