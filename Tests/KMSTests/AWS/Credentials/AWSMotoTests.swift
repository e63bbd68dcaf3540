import Cryptography
import Foundation
import HTTP
import HTTPTypes
import Settings
import TestSupport
import Testing

@testable import KMS

/// Runs against moto's STS, which has its own XML and errors, and can verify signatures.
@Suite(.enabled(if: AWSPython.isAvailable), .serialized, .timeLimit(.minutes(5)))
struct AWSMotoTests {
    private static let arn = "arn:aws:iam::123456789012:role/sb"
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func credentials(
        _ moto: Moto, _ settings: [String: String]
    ) async throws(AWSCredentialsError) -> AWSCredentials? {
        let base = [
            "AWS_ENDPOINT_URL_STS": moto.url, "AWS_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        ]
        let environment = Environment(base.merging(settings) { $1 })
        return try await AWSCredentialsChain(AWSChainTests.context(environment)).credentials()
    }

    @Test func assumesARoleWithAWebIdentity() async throws {
        let moto = try await Moto()
        let given = try await credentials(
            moto,
            [
                "AWS_ROLE_ARN": Self.arn,
                "AWS_WEB_IDENTITY_TOKEN_FILE": try folder.write("token", "header.payload.signature\n"),
            ])
        let credentials = try #require(given)
        #expect(credentials.accessKeyID.hasPrefix("ASIA"))
        #expect(credentials.secretAccessKey.count == 40)
        #expect((credentials.sessionToken?.count ?? 0) > 100)
        #expect((3500...3601).contains(try #require(credentials.expiration).timeIntervalSinceNow))
    }

    /// moto verifies the signature, and rejects the same request with a wrong secret.
    @Test func assumesARoleWithSignedRequests() async throws {
        let moto = try await Moto()
        let user = try await AWSPython.runOnThread(
            """
            import boto3, json
            iam = boto3.client("iam", endpoint_url="\(moto.url)", region_name="us-east-1", aws_access_key_id="a",
                               aws_secret_access_key="b")
            iam.create_user(UserName="u")
            policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
            iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(policy))
            for role, who in ("sb", "*"), ("closed", "arn:aws:iam::999999999999:root"):
                trust = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
                trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
                iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
            key = iam.create_access_key(UserName="u")["AccessKey"]
            print(key["AccessKeyId"], key["SecretAccessKey"])
            """
        ).split(separator: " ").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        try await moto.verifySignatures()
        func config(_ secret: String, role: String = Self.arn) throws -> [String: String] {
            let file = try folder.write(
                "config",
                """
                [default]
                role_arn = \(role)
                source_profile = base
                external_id = an-id
                role_session_name = me
                duration_seconds = 900
                [profile base]
                aws_access_key_id = \(user[0])
                aws_secret_access_key = \(secret)
                """)
            return ["AWS_CONFIG_FILE": file]
        }
        let given = try await credentials(moto, config(user[1]))
        let credentials = try #require(given)
        #expect(credentials.accessKeyID.hasPrefix("ASIA"))
        #expect((800...901).contains(try #require(credentials.expiration).timeIntervalSinceNow))
        let settings = try config("wrong")
        let error = await awsError { () throws(AWSCredentialsError) in
            try await self.credentials(moto, settings)
        }
        #expect(error?.code == .denied)
        #expect(error?.message.contains("SignatureDoesNotMatch") == true)
        #expect(error?.message.contains("profile default: ") == true)
        let closed = try config(user[1], role: "arn:aws:iam::123456789012:role/closed")
        let denied = await awsError { () throws(AWSCredentialsError) in
            try await self.credentials(moto, closed)
        }
        #expect(denied?.code == .denied)
        #expect(
            denied?.message.contains("with AccessDenied; check that its trust policy allows sts:AssumeRole")
                == true)
    }

    @Test func reportsATokenThatIsTooShort() async throws {
        let moto = try await Moto()
        let settings = [
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:user/not-a-role-but-long-enough",
            "AWS_WEB_IDENTITY_TOKEN_FILE": try folder.write("token", "abc"),
        ]
        let error = await awsError { () throws(AWSCredentialsError) in try await credentials(moto, settings) }
        #expect(error?.code == .misconfigured)
    }

    @Test func readsInstanceMetadata() async throws {
        let moto = try await Moto()
        let given = try await credentials(
            moto, ["AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url])
        #expect(try #require(given).sessionToken != nil)
    }
}

/// moto's server on loopback. It stops when it is released.
final class Moto: Sendable {
    let url: String
    private let process: Process
    private let transport = CurlClient(HTTPClientConfiguration(proxy: .none))

    init() async throws {
        let (listener, port) = try listenOnLoopback()
        close(listener)
        url = "http://127.0.0.1:\(port)"
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [Python.program, "-m", "moto.server", "-H", "127.0.0.1", "-p", "\(port)"]
        process.environment = ["PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        for _ in 0..<600 {
            if (try? await transport.send(HTTPClientRequest(url: "\(url)/moto-api/"), upTo: 1 << 20)) != nil {
                return
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Python.Failure(description: "moto does not start")
    }

    deinit {
        // It ignores SIGTERM, and has no state.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Enables the verification of signatures and policies.
    func verifySignatures() async throws {
        let request = HTTPClientRequest(
            method: .post, url: "\(url)/moto-api/reset-auth", fields: [.contentType: "text/plain"],
            body: .bytes(Array("0".utf8)))
        let (head, _) = try await transport.send(request, upTo: 1 << 20)
        guard head.status.code == 200 else { throw Python.Failure(description: "moto: \(head.status)") }
    }
}
