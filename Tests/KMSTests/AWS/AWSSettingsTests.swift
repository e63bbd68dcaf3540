import Envelope
import Settings
import Testing

@testable import KMS

struct AWSSettingsTests {
    private func load(
        _ values: [String: String], profile: [String: String] = [:]
    ) throws(SettingError) -> AWSSettings {
        try AWSSettings.load(from: Environment(values), profile: profile)
    }

    private func refusal(_ values: [String: String], profile: [String: String] = [:]) -> SettingError? {
        do {
            _ = try load(values, profile: profile)
            return nil
        } catch {
            return error
        }
    }

    /// The settings in order of priority. The Region in the key's ARN comes first.
    @Test func takesTheRegionFromTheFirstSettingThatHasOne() throws {
        var values = [
            "SB_KMS_AWS_KEY_ID": "alias/a", "SB_KMS_AWS_REGION": "eu-west-1", "AWS_REGION": "eu-west-2",
            "AWS_DEFAULT_REGION": "eu-west-3",
        ]
        let profile = ["region": "eu-north-1"]
        #expect(try load(values, profile: profile).region.name == "eu-west-1")
        values["SB_KMS_AWS_REGION"] = nil
        #expect(try load(values, profile: profile).region.name == "eu-west-2")
        values["AWS_REGION"] = ""
        #expect(try load(values, profile: profile).region.name == "eu-west-3")
        values["AWS_DEFAULT_REGION"] = nil
        #expect(try load(values, profile: profile).region.name == "eu-north-1")
        #expect(refusal(values)?.variable == "SB_KMS_AWS_REGION")
        #expect(refusal(values)?.problem.contains("eu-west-1") == true)
        values["AWS_REGION"] = "eu-west-2"
        for key in [awsARN, "arn:aws:kms:eu-west-1:111122223333:alias/a"] {
            values["SB_KMS_AWS_KEY_ID"] = key
            let settings = try load(values, profile: profile)
            #expect(settings.region.name == "eu-west-1")
            #expect(settings.kmsAddress.url == "https://kms.eu-west-1.amazonaws.com")
            #expect(settings.stsAddress.url == "https://sts.eu-west-1.amazonaws.com")
        }
    }

    @Test func rejectsARegionThatContradictsTheKeyARN() throws {
        let values = ["SB_KMS_AWS_KEY_ID": awsARN, "SB_KMS_AWS_REGION": "us-east-1"]
        let error = refusal(values)
        #expect(error?.variable == "SB_KMS_AWS_REGION")
        #expect(error?.problem.contains("us-east-1") == true)
        #expect(error?.problem.contains("is of eu-west-1") == true)
        let partition = refusal(["SB_KMS_AWS_KEY_ID": awsARN.replacing("arn:aws:", with: "arn:aws-cn:")])
        #expect(partition?.variable == "SB_KMS_AWS_KEY_ID")
    }

    @Test(arguments: [
        ("SB_KMS_AWS_KEY_ID", "sb-wrap"), ("SB_KMS_AWS_KEY_ID", ""), ("SB_KMS_AWS_REGION", "Frankfurt"),
        ("SB_KMS_AWS_REGION", "eu-west-1.evil.com"), ("SB_KMS_AWS_REGION", "us-gov-west-1-fips"),
        ("SB_KMS_AWS_ENDPOINT", "http://kms.example.com"), ("SB_KMS_AWS_MAX_RPS", "0"),
        ("SB_KMS_AWS_MAX_RPS", "many"), ("SB_KMS_AWS_MAX_RPS", "100001"), ("AWS_USE_FIPS_ENDPOINT", "si"),
    ])
    func rejectsInvalidSettingsAndNamesThem(variable: String, value: String) {
        let values = ["SB_KMS_AWS_KEY_ID": "alias/a", "SB_KMS_AWS_REGION": "eu-west-1"]
        #expect(refusal(values.merging([variable: value]) { $1 })?.variable == variable)
    }

    @Test func readsRateEndpointsAndCAs() throws {
        var values = ["SB_KMS_AWS_KEY_ID": "alias/a", "SB_KMS_AWS_REGION": "eu-west-1"]
        var settings = try load(values)
        #expect(settings.requestsPerSecond == 1000)
        #expect(settings.tls.trustedCAs == .system)
        #expect(!settings.acceptsPlainHTTP)
        values.merge([
            "SB_KMS_AWS_MAX_RPS": "50", "AWS_CA_BUNDLE": "/ca.pem", "SB_KMS_AWS_ENDPOINT": "https://vpce",
        ]) { $1 }
        settings = try load(values)
        #expect(settings.requestsPerSecond == 50)
        #expect(
            settings.tls.trustedCAs
                == .paths(file: .init(value: "/ca.pem", variable: "AWS_CA_BUNDLE"), folder: nil))
        #expect(settings.kmsAddress.url == "https://vpce")
        #expect(settings.stsAddress.url == "https://sts.eu-west-1.amazonaws.com")
    }

    @Test func keyRingLoadsTheBackend() throws {
        let values = ["SB_KMS_BACKEND": "aws-kms", "SB_KMS_AWS_KEY_ID": awsARN]
        #expect(try KeyRing.load(from: Environment(values)).primary.keyID == awsARN)
    }
}
