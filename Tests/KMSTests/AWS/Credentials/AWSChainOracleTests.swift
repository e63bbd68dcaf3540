import Foundation
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// For the same environment, files and servers, this chain and botocore must find the same credentials, or none. The keys
/// of the servers describe how they were obtained.
@Suite(.enabled(if: AWSPython.isAvailable), .timeLimit(.minutes(5)))
struct AWSChainOracleTests {
    private struct Case: Codable {
        var environment: [String: String] = [:]
        var config = ""
        var credentials = ""
    }

    private static let arn = "arn:aws:iam::123456789012:role"
    private static let keys = ["AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s"]
    private static let web = ["AWS_ROLE_ARN": "\(arn)/web", "AWS_WEB_IDENTITY_TOKEN_FILE": "TOKENFILE"]
    private static let container = [
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "CONTAINER", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token",
    ]
    private static let lastingKeys = "aws_access_key_id = PROFILE\naws_secret_access_key = s\n"
    private static let process =
        #"credential_process = printf '{"Version":1,"AccessKeyId":"PROCESS","SecretAccessKey":"s"}'"# + "\n"

    private static func cases() -> [Case] {
        var cases: [Case] = []
        // Each combination of configured sources, with each kind of profile.
        let profiles = [
            "", lastingKeys, process,
            "role_arn = \(arn)/chained\nsource_profile = base\n",
            "role_arn = \(arn)/chained\nsource_profile = other\n", "role_arn = \(arn)/chained\n",
            "role_arn = \(arn)/chained\nsource_profile = missing\n",
            "role_arn = \(arn)/chained\nsource_profile = default\n" + lastingKeys,
            "role_arn = \(arn)/chained\nsource_profile = default\n",
            "role_arn = \(arn)/chained\ncredential_source = Ec2InstanceMetadata\n",
            "role_arn = \(arn)/chained\ncredential_source = EcsContainer\n",
            "role_arn = \(arn)/chained\ncredential_source = Nonsense\n",
            "role_arn = \(arn)/chained\nsource_profile = base\ncredential_source = Environment\n",
            "role_arn = \(arn)/fileweb\nweb_identity_token_file = TOKENFILE\n",
            "role_arn = \(arn)/fileweb\nweb_identity_token_file = TOKENFILE\n" + process,
            "web_identity_token_file = TOKENFILE\n", "aws_access_key_id = PROFILE\n", "region = eu-west-1\n",
            "role_arn = \(arn)/chained\nsource_profile = looping\n",
        ]
        let rest = """

            [profile base]
            aws_access_key_id = BASE
            aws_secret_access_key = s
            [profile other]
            role_arn = \(arn)/middle
            source_profile = viaweb
            [profile viaweb]
            role_arn = \(arn)/inner
            web_identity_token_file = TOKENFILE
            [profile looping]
            role_arn = \(arn)/loop
            source_profile = looping2
            [profile looping2]
            role_arn = \(arn)/loop
            source_profile = looping
            """
        for profile in profiles {
            for mask in 0..<8 {
                var environment: [String: String] = [:]
                // With a web identity in variables and a role in the profile, botocore uses the profile, and the
                // other SDKs use the variables.
                if mask & 3 == 2, profile.contains("role_arn"), !profile.contains("web_identity") { continue }
                if mask & 1 != 0 { environment.merge(keys) { $1 } }
                if mask & 2 != 0 { environment.merge(web) { $1 } }
                if mask & 4 != 0 { environment.merge(container) { $1 } }
                cases.append(Case(environment: environment, config: "[default]\n" + profile + rest))
            }
        }
        cases += [
            Case(environment: ["AWS_ACCESS_KEY_ID": "ENV"]),
            Case(environment: ["AWS_WEB_IDENTITY_TOKEN_FILE": "TOKENFILE"]),
            Case(environment: ["AWS_PROFILE": "missing"]),
            Case(
                environment: ["AWS_PROFILE": "missing", "AWS_DEFAULT_PROFILE": "p q"],
                config: "[profile \"p q\"]\n" + lastingKeys),
            Case(environment: ["AWS_PROFILE": "p q"], config: "[profile \"p q\"]\n" + lastingKeys),
            Case(
                environment: ["AWS_PROFILE": "base"], config: rest,
                credentials: "[base]\naws_access_key_id = C\n"),
            Case(
                credentials:
                    "[default]\naws_access_key_id = C\naws_secret_access_key = s\naws_session_token = t\n"),
            Case(config: "[profile default]\n" + lastingKeys),
            Case(config: "[Default]\n" + lastingKeys),
            Case(config: "[default]\n  region = x\n" + lastingKeys),
            Case(config: "[default]\ns3 =\n  a = b\n" + lastingKeys),
            Case(config: "[default]\ns3 =\n  nonsense\n" + lastingKeys),
            Case(config: "[default]\nnonsense\n"),
            Case(config: lastingKeys), Case(config: "[default\n" + lastingKeys),
            Case(config: "[default]\n# c\n; c\n AWS_ACCESS_KEY_ID=X\n"),
            Case(config: "[default]\nAWS_Access_Key_ID=UPPER\nAWS_SECRET_access_key=s=s\n"),
        ]
        return cases
    }

    @Test func findsTheCredentialsThatBotocoreFinds() async throws {
        let (agent, metadata, service) = (
            try FakeContainerAgent(), try FakeInstanceMetadata(), try FakeTokenService()
        )
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let token = try folder.write("token", "web-token")
        var prepared: [Case] = []
        for (index, given) in Self.cases().enumerated() {
            func filled(_ text: String) -> String {
                text.replacingOccurrences(of: "TOKENFILE", with: token)
                    .replacingOccurrences(of: "CONTAINER", with: agent.url)
            }
            var test = given
            let files = "case\(index)"
            test.environment = test.environment.mapValues(filled).merging([
                "HOME": folder.path, "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ENDPOINT_URL_STS": service.url,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url, "PATH": "/usr/bin:/bin",
                "AWS_CONFIG_FILE": try folder.write("\(files)/config", filled(test.config)),
                "AWS_SHARED_CREDENTIALS_FILE": try folder.write(
                    "\(files)/credentials", filled(test.credentials)),
            ]) { $1 }
            prepared.append(test)
        }
        let theirs = try await AWSPython.runOnThread(
            Self.script, input: JSONEncoder().encode(prepared.map(\.environment))
        )
        .split(separator: "\n").map(String.init)
        try #require(theirs.count == prepared.count)
        #expect(Set(theirs).count >= 12)
        for (index, (test, expected)) in zip(prepared, theirs).enumerated() {
            let context = AWSChainTests.context(Environment(test.environment))
            let ours: String
            do throws(AWSCredentialsError) {
                ours = try await AWSCredentialsChain(context).credentials()?.accessKeyID ?? "none"
            } catch {
                ours = "error"
            }
            #expect(ours == expected, "case \(index): \(Self.cases()[index])")
        }
    }

    private static let script = """
        import json, os, sys
        import botocore.session
        for environment in json.load(sys.stdin):
            os.environ.clear()
            os.environ.update(environment)
            try:
                credentials = botocore.session.Session().get_credentials()
                print(credentials.get_frozen_credentials().access_key if credentials else "none")
            except Exception as error:
                print("error")
        """
}
