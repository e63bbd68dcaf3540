import Cryptography
import Foundation
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// The requests to STS, and the meaning of its responses.
struct AWSTokenServiceTests {
    private let role: AWSAssumedRole

    init() throws {
        role = try AWSAssumedRole(arn: "arn:aws:iam::123456789012:role/sb", sessionName: nil, from: "test")
    }

    private func service(_ transport: any HTTPTransport) throws -> AWSSecurityTokenService {
        let region = try #require(AWSRegion("eu-central-1"))
        return AWSSecurityTokenService(
            name: "web identity", transport: transport, endpoint: "https://sts.example/", region: region)
    }

    private func failure(_ answers: FakeTransport.Response...) async throws -> AWSCredentialsError? {
        let rest = Locked(answers)
        let transport = FakeTransport { _ in
            rest.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
        let service = try service(transport)
        return await awsError { () throws(AWSCredentialsError) in
            try await service.assume(role, webIdentity: SharedSecret(copying: "WEBTOKEN".utf8))
        }
    }

    private static func error(_ status: Int, _ code: String, fields: HTTPFields = [:])
        -> FakeTransport.Response
    {
        FakeTransport.Response(
            status,
            """
            <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
            <Code>\(code)</Code><Message>SECRETTEXT</Message></Error><RequestId>1</RequestId></ErrorResponse>
            """, fields: fields)
    }

    @Test func sendsAWebIdentityUnsigned() async throws {
        let transport = FakeTransport { _ in Self.error(400, "X") }
        let service = try service(transport)
        _ = await awsError { () throws(AWSCredentialsError) in
            try await service.assume(role, webIdentity: SharedSecret(copying: "WEB.TO/KEN".utf8))
        }
        let request = try #require(transport.requests.first)
        #expect(
            request.text
                == "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                + "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fsb&RoleSessionName=secrets-bridge"
                + "&WebIdentityToken=WEB.TO%2FKEN")
        #expect(request.fields[.contentType] == "application/x-www-form-urlencoded; charset=utf-8")
        #expect(request.secrets.isEmpty)
    }

    /// The machine's clock is an hour late; the second signature has STS's time.
    @Test func signsOnceMoreWithTheTimeOfSTS() async throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let transport = FakeTransport { _ in
            // now + 3600
            Self.error(403, "SignatureDoesNotMatch", fields: [.date: "Fri, 15 Jan 2027 09:00:00 GMT"])
        }
        let service = try service(transport)
        let keys = testCredentials("AKID", secret: "s", token: nil)
        let error = await awsError { () throws(AWSCredentialsError) in
            try await service.assume(role, with: keys) { now }
        }
        #expect(error?.code == .denied)
        #expect(transport.requests.map { $0.fields[.amzDate] } == ["20270115T080000Z", "20270115T090000Z"])
        #expect(
            transport.requests.allSatisfy { $0.authorization?.contains("Credential=AKID/20270115") == true })
    }

    @Test(arguments: [
        (403, "AccessDenied", "check that its trust policy allows this service account"),
        (400, "ExpiredTokenException", "the token has expired"),
        (400, "InvalidIdentityToken", "OIDC provider exists"),
        (403, "IDPRejectedClaim", "OIDC provider exists"),
        (403, "RegionDisabledException", "enable STS in this region"),
        (400, "ValidationError", "check the role's ARN"),
        (403, "SignatureDoesNotMatch", "clock is wrong"),
        (400, "SomethingNew", "SomethingNew"),
    ])
    func reportsDenialsWithARemedy(_ status: Int, _ code: String, _ remedy: String) async throws {
        let error = try await failure(Self.error(status, code))
        #expect(error?.code == .denied)
        #expect(error?.message.hasPrefix("web identity: STS denies \(role.arn) with \(code); ") == true)
        #expect(error?.message.contains(remedy) == true)
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    @Test(arguments: [
        (400, "IDPCommunicationError"), (400, "Throttling"), (503, "ServiceUnavailable"),
        (500, "InternalFailure"),
    ])
    func reportsOutages(_ status: Int, _ code: String) async throws {
        let error = try await failure(Self.error(status, code))
        #expect(error?.code == .unavailable)
        #expect(error?.message == "web identity: STS is unavailable (\(code)); the request will be retried")
        // The request is repeated after a transient error.
        let refused = try await failure(Self.error(status, code), Self.error(403, "AccessDenied"))
        #expect(refused?.code == .denied)
    }

    @Test func passesRetryAfterOn() async throws {
        let error = try await failure(Self.error(503, "SlowDown", fields: [.retryAfter: "7"]))
        #expect(error?.retryAfter == .seconds(7))
    }

    @Test(arguments: [
        (200, "<html>login</html>", AWSCredentialsError.Code.unavailable), (404, "<html/>", .misconfigured),
        (502, "", .unavailable),
        (403, "<ErrorResponse><Error><Code>a b SECRETTEXT</Code></Error></ErrorResponse>", .misconfigured),
        (
            200,
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A"
                + "</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
            .unavailable
        ),
    ])
    func rejectsResponsesOfOtherServers(_ status: Int, _ body: String, _ code: AWSCredentialsError.Code)
        async throws
    {
        let error = try await failure(FakeTransport.Response(status, body))
        #expect(error?.code == code)
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    @Test func reportsAMissingResponse() async throws {
        let transport = FakeTransport { _ in throw HTTPError(.nameNotResolved, activity: "POST https://sts") }
        let service = try service(transport)
        let error = await awsError { () throws(AWSCredentialsError) in
            try await service.assume(role, webIdentity: SharedSecret(copying: "WEBTOKEN".utf8))
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("check the network policy") == true)
        #expect(transport.requests.count == 3)
    }

    @Test(arguments: [
        ("role/sb", nil, nil), ("arn:aws:iam::1:role/a b c d e f", nil, nil),
        ("arn:aws:iam::123456789012:role/sb", "a", nil), ("arn:aws:iam::123456789012:role/sb", "a b", nil),
        ("arn:aws:iam::123456789012:role/sb", nil, "899"), ("arn:aws:iam::123456789012:role/sb", nil, "1h"),
    ])
    func rejectsInvalidRoles(_ arn: String, _ name: String?, _ duration: String?) {
        let error = #expect(throws: AWSCredentialsError.self) {
            try AWSAssumedRole(arn: arn, sessionName: name, duration: duration, from: "profile x")
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.hasPrefix("profile x: ") == true)
    }
}
