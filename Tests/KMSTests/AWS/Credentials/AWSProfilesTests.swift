import Cryptography
import Settings
import TestSupport
import Testing

@testable import KMS

struct AWSProfilesTests {
    private func file(_ text: String, _ path: String = "config") throws(AWSCredentialsError) -> AWSConfigFile
    {
        try AWSConfigFile(path: path, content: SecretBytes(copying: Array(text.utf8)))
    }

    private func profiles(
        _ config: String, _ credentials: String = "", _ selected: String? = nil
    ) throws(AWSCredentialsError) -> AWSProfiles {
        try AWSProfiles(
            config: try file(config), credentials: try file(credentials, "credentials"), selected: selected)
    }

    @Test func handlesCommentsSpacesAndCase() throws {
        let config = """
            # a comment
            ; another
            [profile Dev] # behind it
            Region=eu-central-1 ; why
            ROLE_ARN   =   arn:aws:iam::1:role/a=b#c
            \t
              # an indented comment
            empty =

            [profile "two words"]
            region = a
            [ignored]
            region = b
            """
        let dev = try profiles(config, "", "Dev")
        #expect(
            dev.activeSettings == [
                "region": "eu-central-1", "role_arn": "arn:aws:iam::1:role/a=b#c", "empty": "",
            ])
        #expect(try dev.profile("Dev")?.value("empty") == nil)
        #expect(try dev.profile("dev") == nil)
        #expect(try dev.profile("ignored") == nil)
        #expect(try dev.profile("two words")?.value("region") == "a")
    }

    @Test func acceptsCRLF() throws {
        #expect(try profiles("[default]\r\nregion = a\r\n").activeSettings == ["region": "a"])
    }

    @Test func credentialsFileReplacesSingleSettings() throws {
        let both = try profiles(
            "[profile a]\nregion = one\naws_access_key_id = CONFIG\noutput = json",
            "[a]\naws_access_key_id = CREDENTIALS\naws_secret_access_key = secret\n", "a")
        #expect(
            both.activeSettings == ["region": "one", "output": "json", "aws_access_key_id": "CREDENTIALS"])
        #expect(try both.profile("a")?.secrets["aws_secret_access_key"]?.text == "secret")
    }

    /// A key id of one file and a secret of the other are no pair, and a token belongs to its keys.
    @Test func replacesAccessKeysAsAPair() throws {
        let config =
            "[profile a]\naws_access_key_id = A\naws_secret_access_key = s\naws_session_token = t\nregion = r"
        let half = try profiles(config, "[a]\naws_access_key_id = B\n", "a")
        #expect(half.activeSettings == ["aws_access_key_id": "B", "region": "r"])
        #expect(try half.profile("a")?.secrets.isEmpty == true)
        let other = try profiles(config, "[a]\naws_access_key_id = B\naws_secret_access_key = x\n", "a")
        #expect(try other.profile("a")?.secrets.mapValues(\.text) == ["aws_secret_access_key": "x"])
        let none = try profiles(config, "[a]\noutput = json\n", "a")
        #expect(
            try none.profile("a")?.secrets.mapValues(\.text) == [
                "aws_secret_access_key": "s", "aws_session_token": "t",
            ])
    }

    @Test func keepsSecretsOutOfSettings() throws {
        let profile = try profiles(
            "", "[default]\naws_access_key_id=AKID\nAWS_SECRET_ACCESS_KEY = hush/+= \naws_session_token=tok=="
        )
        #expect(profile.activeSettings == ["aws_access_key_id": "AKID"])
        #expect(try profile.profile("default")?.secrets["aws_secret_access_key"]?.text == "hush/+=")
        #expect(try profile.profile("default")?.secrets["aws_session_token"]?.text == "tok==")
        #expect(!"\(profile)".contains("hush"))
    }

    @Test func readsNestedAndContinuedSettings() throws {
        let config = """
            [default]
            services = local
            s3 =
              max = 10
              # nothing
              Style = path
            credential_process = one
              two
            region = a
            [services local]
            kms =
              endpoint_url = http://127.0.0.1:1
            sts =
              endpoint_url = http://127.0.0.1:2
            [sso-session corp]
            sso_region = eu-west-1
            """
        let profiles = try profiles(config)
        #expect(
            profiles.activeSettings == ["services": "local", "credential_process": "one\ntwo", "region": "a"])
        #expect(try profiles.profile("default")?.nested == ["s3": ["max": "10", "style": "path"]])
        #expect(try profiles.services("local")?["sts"] == ["endpoint_url": "http://127.0.0.1:2"])
        #expect(profiles.activeServices["kms"] == ["endpoint_url": "http://127.0.0.1:1"])
        #expect(try profiles.ssoSession("corp")?.value("sso_region") == "eu-west-1")
        #expect(try profiles.profile("corp") == nil)
    }

    @Test func usesTheLastOfRepeatedSettings() throws {
        let config = "[profile a]\nregion=1\noutput=x\n[profile b]\nregion=b\n[profile a]\nregion=2\n"
        #expect(try profiles(config, "", "a").activeSettings == ["region": "2", "output": "x"])
        let defaults = "[profile default]\nregion=long\n[default]\nregion=short\noutput=x\n"
        #expect(try profiles(defaults).activeSettings == ["region": "long"])
    }

    @Test(arguments: [
        ("region = a", "config:1: the setting is before the first [section]; move it into a section"),
        ("[profile a", "config:1: the section has no ]"),
        ("[profile a]\nhush-hush", "config:2: expected [section] or key = value"),
        ("[profile a]\n= hush", "config:2: expected [section] or key = value"),
        ("[profile a]\ns3 =\n  hush", "config:3: expected key = value below s3"),
        (
            "[profile a]\naws_secret_access_key = x\n  hush",
            "config:3: aws_secret_access_key continues on a second line; write it as one word"
        ),
    ])
    func reportsInvalidFiles(_ text: String, _ message: String) {
        #expect(throws: AWSCredentialsError(.misconfigured, message)) { try profiles(text, "", "a") }
    }

    @Test func rejectsASelectedProfileThatDoesNotExist() throws {
        #expect(try profiles("[profile a]\n").activeSettings == [:])
        let error = #expect(throws: AWSCredentialsError.self) { try profiles("[profile a]\n", "", "b") }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("AWS profile b,") == true)
    }

    @Test func readsTheFilesThatVariablesName() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try folder.write(".aws/config", "[profile one]\nregion = home\n[profile two]\nregion = two\n")
        try folder.write("other", "[one]\naws_access_key_id = OTHER\n")
        let home = ["HOME": folder.path, "AWS_PROFILE": "two"]
        #expect(try AWSProfiles.load(from: Environment(home)).activeSettings == ["region": "two"])
        let moved = home.merging([
            "AWS_DEFAULT_PROFILE": "one", "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "~/other",
        ]) { $1 }
        #expect(
            try AWSProfiles.load(from: Environment(moved)).activeSettings == ["aws_access_key_id": "OTHER"])
        #expect(try AWSProfiles.load(from: Environment([:])).activeSettings == [:])
    }

    /// botocore 1.x uses the older name if both are set.
    @Test func prefersTheOlderNameOfASessionToken() throws {
        let keys = "aws_access_key_id = A\naws_secret_access_key = s\n"
        let text = "[default]\n\(keys)aws_session_token = session\naws_security_token = security\n"
        guard case .accessKeys(let credentials) = try AWSProfilePlan.make(awsProfiles("", text)) else {
            Issue.record("no keys")
            return
        }
        #expect(credentials.sessionToken?.text == "security")
    }

    /// The error names the variable, or the profile that is used without one.
    @Test func errorsNameTheProfile() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try folder.write(".aws/config", "[default]\nnonsense\n[profile a]\nnonsense\n")
        func line(_ more: [String: String]) -> String {
            let values = ["HOME": folder.path, "SB_KMS_AWS_KEY_ID": "alias/a"].merging(more) { $1 }
            let error = #expect(throws: SettingError.self) {
                try AWSKeyManager.load(from: Environment(values))
            }
            return error?.description ?? ""
        }
        #expect(line([:]).hasPrefix("the AWS configuration (profile default) cannot be used: "))
        for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
            #expect(
                line([variable: "a"]).hasPrefix("\(variable) names the profile a, which cannot be used: "))
        }
    }
}
