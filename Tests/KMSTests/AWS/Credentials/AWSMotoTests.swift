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
        _ url: String, _ settings: [String: String]
    ) async throws(AWSCredentialsError) -> AWSCredentials? {
        let base = [
            "AWS_ENDPOINT_URL_STS": url, "AWS_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        ]
        let environment = Environment(base.merging(settings) { $1 })
        return try await AWSCredentialsChain(AWSChainTests.context(environment)).credentials()
    }

    @Test func assumesARoleWithAWebIdentity() async throws {
        let moto = try await MotoServer.shared()
        let given = try await credentials(
            moto.url,
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
        let moto = try await MotoKMS.server()
        let user = try moto.createUser("sts:AssumeRole")
        let secret = try #require(user["AWS_SECRET_ACCESS_KEY"])
        try moto.python(
            """
            for role, who in ("sb", "*"), ("closed", "arn:aws:iam::999999999999:root"):
                trust = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
                trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
                iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
            """)
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
                aws_access_key_id = \(user["AWS_ACCESS_KEY_ID"] ?? "")
                aws_secret_access_key = \(secret)
                """)
            return ["AWS_CONFIG_FILE": file]
        }
        let given = try await credentials(moto.url, config(secret))
        let credentials = try #require(given)
        #expect(credentials.accessKeyID.hasPrefix("ASIA"))
        #expect((800...901).contains(try #require(credentials.expiration).timeIntervalSinceNow))
        let settings = try config("wrong")
        let error = await awsError { () throws(AWSCredentialsError) in
            try await self.credentials(moto.url, settings)
        }
        #expect(error?.code == .denied)
        #expect(error?.message.contains("SignatureDoesNotMatch") == true)
        #expect(error?.message.contains("profile default: ") == true)
        let closed = try config(secret, role: "arn:aws:iam::123456789012:role/closed")
        let denied = await awsError { () throws(AWSCredentialsError) in
            try await self.credentials(moto.url, closed)
        }
        #expect(denied?.code == .denied)
        #expect(
            denied?.message.contains("with AccessDenied; check that its trust policy allows sts:AssumeRole")
                == true)
    }

    @Test func reportsATokenThatIsTooShort() async throws {
        let moto = try await MotoServer.shared()
        let settings = [
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:user/not-a-role-but-long-enough",
            "AWS_WEB_IDENTITY_TOKEN_FILE": try folder.write("token", "abc"),
        ]
        let error = await awsError { () throws(AWSCredentialsError) in
            try await credentials(moto.url, settings)
        }
        #expect(error?.code == .misconfigured)
    }

    @Test func readsInstanceMetadata() async throws {
        let moto = try await MotoServer.shared()
        let given = try await credentials(
            moto.url, ["AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url])
        #expect(try #require(given).sessionToken != nil)
    }
}
