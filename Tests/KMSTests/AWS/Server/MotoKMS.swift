import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport

@testable import KMS

/// moto's KMS, STS and IAM on loopback, which verify signatures and policies. All tests share one server, which ends with the
/// process, when its standard input closes. Each test creates its own keys and users.
final class MotoKMS: Sendable {
    private static let started = Task { try await MotoKMS() }

    /// Returns the server, which starts at the first call.
    static func server() async throws -> MotoKMS { try await started.value }

    let url: String
    private let process: Process
    private let input = Pipe()
    private let admin: [String: String]

    private init() async throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            Python.program, "-c",
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
        url = "http://127.0.0.1:\(port)"
        admin = [
            "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        ]
        // From here on, signatures and policies are verified.
        let key = try Self.python(
            admin, Self.user("admin", [["Effect": "Allow", "Action": "*", "Resource": "*"]]))
        verified = Locked(admin.merging(try Self.environment(key)) { $1 })
        let (head, _) = try await CurlClient(HTTPClientConfiguration(proxy: .none)).send(
            HTTPClientRequest(
                method: .post, url: "\(url)/moto-api/reset-auth", fields: [.contentType: "text/plain"],
                body: .bytes(Array("0".utf8))), upTo: 1 << 16)
        guard head.status.code == 200 else {
            throw Python.Failure(description: "reset-auth: \(head.status)")
        }
    }

    private let verified: Locked<[String: String]>

    /// Returns the output of a script, in which `kms` and `iam` are boto3's clients of an administrator.
    @discardableResult
    func python(_ script: String) throws -> String {
        try Self.python(verified.withLock { $0 }, script)
    }

    private static func python(_ environment: [String: String], _ script: String) throws -> String {
        try AWSPython.run(
            """
            import base64, boto3, json
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
        let values = verified.withLock { $0 }.merging([
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
