import Cryptography
import Foundation
import Glibc
import Settings
import TestSupport
import Testing

@testable import KMS

/// The CAs of `ca_bundle` and AWS_CA_BUNDLE verify the services that credentials come from: STS and IAM Identity Center,
/// which have their own CA here.
@Suite(.enabled(if: FakeAWSServices.isAvailable), .timeLimit(.minutes(2)))
struct AWSCABundleTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static let keys = "aws_access_key_id = BASE\naws_secret_access_key = s\n"
    private static let role = "role_arn = arn:aws:iam::123456789012:role/r\n"

    private func environment(_ services: FakeAWSServices, _ config: String, _ more: [String: String] = [:])
        throws
        -> Environment
    {
        Environment(
            [
                "HOME": folder.path, "AWS_PROFILE": "a",
                "AWS_CONFIG_FILE": try folder.write("config", config),
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_REGION": "eu-west-1",
                "SB_KMS_AWS_KEY_ID": "alias/a",
                "AWS_ENDPOINT_URL": services.url, "AWS_EC2_METADATA_DISABLED": "true",
            ].merging(more) { $1 })
    }

    /// Loads credentials as the key manager does.
    private func accessKeyID(_ environment: Environment) async throws -> String {
        let profiles = try AWSProfiles.load(from: environment)
        let settings = try AWSSettings.load(from: environment, profile: profiles.activeSettings)
        let credentials = try RefreshingAWSCredentials.load(
            from: environment, region: settings.region, tls: settings.tls)
        return try await credentials.credentials().accessKeyID
    }

    @Test func verifiesSTSForAProfileRole() async throws {
        let services = try await FakeAWSServices()
        let config = "[profile a]\n\(Self.role)source_profile = b\n"
        let base = "[profile b]\n" + Self.keys
        let bundle = "ca_bundle = \(services.authority)\n"
        #expect(try await accessKeyID(environment(services, config + bundle + base)) == "STS-KEY")
        // As in botocore, the bundle is that of the selected profile.
        let error = await #expect(throws: AWSCredentialsError.self) {
            try await accessKeyID(environment(services, config + base + bundle))
        }
        #expect(error?.message.contains("not trusted") == true, "\(error?.message ?? "")")
        let variable = ["AWS_CA_BUNDLE": services.authority]
        #expect(try await accessKeyID(environment(services, config + base, variable)) == "STS-KEY")
        // The variable has priority.
        let wrong = ["AWS_CA_BUNDLE": try folder.write("other.pem", try services.folder.read("other.crt"))]
        await #expect(throws: AWSCredentialsError.self) {
            try await accessKeyID(environment(services, config + bundle + base, wrong))
        }
    }

    @Test func verifiesSTSForAWebIdentity() async throws {
        let services = try await FakeAWSServices()
        let more = [
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
            "AWS_WEB_IDENTITY_TOKEN_FILE": try folder.write("token", "header.payload.signature"),
        ]
        let config = "[profile a]\nca_bundle = \(services.authority)\n"
        #expect(try await accessKeyID(environment(services, config, more)) == "STS-KEY")
    }

    /// The token is about to expire, so that both services are used.
    @Test func verifiesIAMIdentityCenter() async throws {
        let services = try await FakeAWSServices()
        let config = """
            [profile a]
            sso_session = corp
            sso_account_id = 123456789012
            sso_role_name = Reader
            ca_bundle = \(services.authority)
            [sso-session corp]
            sso_region = eu-west-1
            sso_start_url = https://corp.example/start
            """
        let end = Date().addingTimeInterval(60).formatted(.iso8601)
        let name = hex(try sha1(Array("corp".utf8)))
        try folder.write(
            ".aws/sso/cache/\(name).json",
            #"{"accessToken":"old","expiresAt":"\#(end)","clientId":"i","clientSecret":"s","refreshToken":"r","#
                + #""registrationExpiresAt":"2040-01-01T00:00:00Z"}"#)
        #expect(try await accessKeyID(environment(services, config)) == "SSO-KEY-fresh")
    }

    @Test(arguments: ["/does/not/exist", "/dev/null"])
    func rejectsAnInvalidBundle(path: String) throws {
        let config = try folder.write("config", "[default]\nca_bundle = \(path)\n")
        let values = ["SB_KMS_AWS_KEY_ID": awsARN, "AWS_CONFIG_FILE": config, "HOME": folder.path]
        let profile = #expect(throws: SettingError.self) { try AWSKeyManager.load(from: Environment(values)) }
        #expect(profile?.variable == "ca_bundle (of the AWS profile)")
        let more = values.merging(["AWS_CA_BUNDLE": path]) { $1 }
        let variable = #expect(throws: SettingError.self) { try AWSKeyManager.load(from: Environment(more)) }
        #expect(variable?.variable == "AWS_CA_BUNDLE")
    }

    @Test func expandsHomeInThePath() throws {
        let profile = ["ca_bundle": "~/ca.pem"]
        let tls = try TLSSettings.aws(Environment(["HOME": "/h"]), profile: profile)
        #expect(tls.watchedPaths == ["/h/ca.pem"])
        #expect(throws: SettingError.self) { try TLSSettings.aws(Environment([:]), profile: profile) }
    }
}

/// STS and IAM Identity Center behind TLS on loopback. They stop when they are released.
final class FakeAWSServices: Sendable {
    static let isAvailable =
        Python.hasModules("ssl") && (try? TLSOpenBao.openssl(TemporaryFolder(), ["version"])) != nil

    let folder: TemporaryFolder
    let url: String
    var authority: String { folder.path("ca.crt") }
    private let process: Process

    init() async throws {
        folder = try TemporaryFolder()
        for name in ["ca", "other"] {
            try TLSOpenBao.openssl(
                folder,
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                    "\(name).key", "-out",
                    "\(name).crt",
                ])
        }
        let script = try folder.write("services.py", Self.script)
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [Python.program, "-B", script, folder.path]
        process.standardInput = Pipe()
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let line = output.fileHandleForReading.availableData
        guard
            let port = Int(
                String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        else {
            throw Python.Failure(description: "the services do not start")
        }
        url = "https://localhost:\(port)"
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private static let script = """
        import http.server, json, ssl, sys, time
        def sts(action):
            keys = "<AccessKeyId>STS-KEY</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            end = "<Expiration>" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)) + "</Expiration>"
            return (f"<{action}Response><{action}Result><Credentials>{keys}{end}</Credentials></{action}Result>"
                    f"</{action}Response>")
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                token = self.headers.get("x-amz-sso_bearer_token", "")
                self.answer(json.dumps({"roleCredentials": {
                    "accessKeyId": "SSO-KEY-" + token, "secretAccessKey": "s", "sessionToken": "t",
                    "expiration": int((time.time() + 3600) * 1000)}}))
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                if self.path == "/token":
                    return self.answer(json.dumps({"accessToken": "fresh", "expiresIn": 3600}))
                self.answer(sts("AssumeRoleWithWebIdentity" if "WebIdentity" in body else "AssumeRole"))
            def answer(self, text):
                self.send_response(200)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())
            def log_message(self, *arguments):
                pass
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1] + "/ca.crt", sys.argv[1] + "/ca.key")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        print(server.server_port, flush=True)
        server.serve_forever()
        """
}
