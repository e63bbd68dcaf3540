import Cryptography
import Settings
import Testing

@testable import KMS

struct AWSProfilePlanTests {
    private func plan(_ config: String, _ selected: String? = "a") throws(AWSCredentialsError)
        -> AWSProfilePlan?
    {
        let file = try AWSConfigFile(path: "config", content: SecretBytes(copying: Array(config.utf8)))
        return try AWSProfilePlan.make(AWSProfiles(config: file, credentials: nil, selected: selected))
    }

    private static let arn = "arn:aws:iam::123456789012:role"

    @Test(arguments: [
        ("[profile a]\nregion = x", "nothing"),
        ("[profile a]\naws_access_key_id = A\naws_secret_access_key = s", "keys A"),
        ("[profile a]\ncredential_process = one two", "process one two"),
        (
            "[profile a]\nrole_arn = \(arn)/r\nweb_identity_token_file = /t\nrole_session_name = me\n"
                + "source_profile = b", "web me@r /t"
        ),
        ("[profile a]\nrole_arn = \(arn)/r\ncredential_source = Ec2InstanceMetadata", "r(instance)"),
        ("[profile a]\nrole_arn = \(arn)/r\ncredential_source = EcsContainer", "r(container)"),
        ("[profile a]\nrole_arn = \(arn)/r\ncredential_source = Environment", "r(environment)"),
        // A profile may be its own source, with access keys and a role.
        (
            "[profile a]\nrole_arn = \(arn)/r\nsource_profile = a\naws_access_key_id = A\naws_secret_access_key = s",
            "r(keys A)"
        ),
        (
            "[profile a]\nrole_arn = \(arn)/r\nsource_profile = b\n[profile b]\nrole_arn = \(arn)/q\n"
                + "source_profile = c\n[profile c]\ncredential_process = p", "r(q(process p))"
        ),
        // In a source profile, access keys have priority over the role.
        (
            "[profile a]\nrole_arn = \(arn)/r\nsource_profile = b\n[profile b]\nrole_arn = \(arn)/q\n"
                + "source_profile = a\naws_access_key_id = A\naws_secret_access_key = s", "r(keys A)"
        ),
        (
            "[profile a]\nsso_account_id = 1\nsso_role_name = R\nsso_start_url = https://x\nsso_region = eu-west-1",
            "sign-on 1/R https://x eu-west-1 -"
        ),
        (
            "[profile a]\nsso_session = s\nsso_account_id = 1\nsso_role_name = R\n[sso-session s]\n"
                + "sso_start_url = https://x\nsso_region = eu-west-1", "sign-on 1/R https://x eu-west-1 s"
        ),
    ])
    func plansTheSourceOfAProfile(_ config: String, _ expected: String) throws {
        #expect(Self.describe(try plan(config)) == expected)
    }

    @Test(arguments: [
        ("aws_access_key_id = A", "aws_access_key_id is set without aws_secret_access_key"),
        ("aws_secret_access_key = A", "aws_secret_access_key is set without aws_access_key_id"),
        (
            "role_arn = \(arn)/r",
            "role_arn is set without source_profile, credential_source or web_identity_token_file"
        ),
        ("role_arn = \(arn)/r\nsource_profile = b\ncredential_source = Environment", "are both set"),
        ("role_arn = \(arn)/r\ncredential_source = Elsewhere", "is not Environment, EcsContainer or"),
        ("role_arn = \(arn)/r\nsource_profile = z", "its source_profile z does not exist"),
        ("role_arn = \(arn)/r\nsource_profile = a", "its source_profile a leads back to itself"),
        (
            "role_arn = \(arn)/r\nsource_profile = b\n[profile b]\nrole_arn = \(arn)/q\nsource_profile = a",
            "profile b: its source_profile a leads back to itself"
        ),
        (
            "role_arn = \(arn)/r\nsource_profile = b\n[profile b]\nregion = x",
            "source_profile b has no credentials"
        ),
        ("role_arn = \(arn)/r\nsource_profile = b\nmfa_serial = m", "mfa_serial requires a code"),
        ("role_arn = nonsense\nsource_profile = a", "the role is not of the form"),
        ("role_arn = \(arn)/r\nsource_profile = a\nduration_seconds = x", "duration_seconds is not a number"),
        ("web_identity_token_file = /t", "web_identity_token_file is set without role_arn"),
        ("sso_account_id = 1\nsso_role_name = r\nsso_region = x", "sso_start_url is not set"),
        ("sso_session = s\nsso_account_id = 1", "there is no [sso-session s]"),
        (
            "sso_session = s\nsso_account_id = 1\nsso_region = a\n[sso-session s]\nsso_region = b\nsso_start_url = c",
            "sso_region differs from [sso-session s]"
        ),
        ("login_session = x", "login_session is not supported"),
    ])
    func rejectsContradictoryProfiles(_ settings: String, _ problem: String) {
        let error = #expect(throws: AWSCredentialsError.self) { try plan("[profile a]\n\(settings)") }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.hasPrefix("profile ") == true)
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    @Test func limitsTheLengthOfAChainOfRoles() throws {
        func config(_ count: Int) -> String {
            let names = ["a"] + (1..<count).map { "p\($0)" }
            let roles = zip(names, names.dropFirst() + ["keys"]).map { name, source in
                "[profile \(name)]\nrole_arn = \(Self.arn)/r\nsource_profile = \(source)\n"
            }
            return roles.joined() + "[profile keys]\naws_access_key_id = A\naws_secret_access_key = s\n"
        }
        #expect(try plan(config(16)) != nil)
        let error = #expect(throws: AWSCredentialsError.self) { try plan(config(17)) }
        #expect(error?.message.contains("it is in a chain of more than 16 roles") == true)
        #expect(throws: AWSCredentialsError.self) { try plan(config(10_000)) }
    }

    @Test func theDefaultProfileNeedNotExist() throws {
        #expect(try plan("", nil) == nil)
    }

    private static func describe(_ plan: AWSProfilePlan?) -> String {
        func name(_ role: AWSAssumedRole) -> String { String(role.arn.split(separator: "/").last ?? "") }
        return switch plan {
        case nil: "nothing"
        case .accessKeys(let keys): "keys \(keys.accessKeyID)"
        case .webIdentity(let role, let file): "web \(role.sessionName)@\(name(role)) \(file)"
        case .sso(let it):
            "sign-on \(it.account)/\(it.role) \(it.startURL) \(it.region) \(it.session ?? "-")"
        case .process(let command): "process \(command)"
        case .environment: "environment"
        case .container: "container"
        case .instance: "instance"
        case .assumeRole(let role, _, let inner): "\(name(role))(\(describe(inner)))"
        }
    }
}
