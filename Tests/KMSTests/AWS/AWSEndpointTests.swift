import Settings
import Testing

@testable import KMS

struct AWSEndpointTests {
    private func url(
        _ service: AWSService = .kms, _ region: String = "eu-west-1", _ environment: [String: String] = [:],
        profile: [String: String] = [:], services: [String: [String: String]] = [:]
    ) throws -> String {
        try AWSEndpoints(environment: Environment(environment), profile: profile, services: services)
            .address(of: service, in: try #require(AWSRegion(region))).url
    }

    @Test(arguments: [
        ("us-east-1", "kms.us-east-1.amazonaws.com", "kms-fips.us-east-1.api.aws"),
        ("mx-central-1", "kms.mx-central-1.amazonaws.com", "kms-fips.mx-central-1.api.aws"),
        (
            "cn-north-1", "kms.cn-north-1.amazonaws.com.cn",
            "kms-fips.cn-north-1.api.amazonwebservices.com.cn"
        ),
        ("us-gov-west-1", "kms.us-gov-west-1.amazonaws.com", "kms-fips.us-gov-west-1.api.aws"),
        (
            "eusc-de-east-1", "kms.eusc-de-east-1.amazonaws.eu",
            "kms-fips.eusc-de-east-1.api.amazonwebservices.eu"
        ),
        ("us-iso-east-1", "kms.us-iso-east-1.c2s.ic.gov", "kms-fips.us-iso-east-1.api.aws.ic.gov"),
        ("us-isob-east-1", "kms.us-isob-east-1.sc2s.sgov.gov", "kms-fips.us-isob-east-1.api.aws.scloud"),
        (
            "eu-isoe-west-1", "kms.eu-isoe-west-1.cloud.adc-e.uk",
            "kms-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk"
        ),
        (
            "us-isof-south-1", "kms.us-isof-south-1.csp.hci.ic.gov",
            "kms-fips.us-isof-south-1.api.aws.hci.ic.gov"
        ),
    ])
    func usesTheDomainsOfThePartition(region: String, plain: String, both: String) throws {
        #expect(try url(.kms, region) == "https://\(plain)")
        let flags = ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "TRUE"]
        #expect(try url(.kms, region, flags) == "https://\(both)")
        let profile = ["use_fips_endpoint": "true", "use_dualstack_endpoint": "true"]
        #expect(try url(.kms, region, profile: profile) == "https://\(both)")
        #expect(
            try url(.kms, region, ["AWS_USE_FIPS_ENDPOINT": "false"], profile: ["use_fips_endpoint": "true"])
                == "https://\(plain)")
    }

    @Test(arguments: [
        (AWSService.kms, "kms-fips.us-gov-west-1.amazonaws.com"), (.sts, "sts.us-gov-west-1.amazonaws.com"),
        (.sso, "portal.sso.us-gov-west-1.amazonaws.com"), (.ssoOIDC, "oidc.us-gov-west-1.amazonaws.com"),
    ])
    func usesTheFIPSHostsOfGovCloud(service: AWSService, host: String) throws {
        #expect(try url(service, "us-gov-west-1", ["AWS_USE_FIPS_ENDPOINT": "true"]) == "https://\(host)")
    }

    @Test func usesTheHostOfEachService() throws {
        #expect(try url(.sts) == "https://sts.eu-west-1.amazonaws.com")
        #expect(
            try url(.sts, "eu-west-1", ["AWS_USE_FIPS_ENDPOINT": "true"])
                == "https://sts-fips.eu-west-1.amazonaws.com")
        #expect(try url(.sso) == "https://portal.sso.eu-west-1.amazonaws.com")
        #expect(try url(.ssoOIDC) == "https://oidc.eu-west-1.amazonaws.com")
    }

    /// The settings in order of priority.
    @Test func prefersTheMostSpecificConfiguredURL() throws {
        var environment = [
            "SB_KMS_AWS_ENDPOINT": "https://own/", "AWS_ENDPOINT_URL_KMS": "https://kms",
            "AWS_ENDPOINT_URL_STS": "https://sts", "AWS_ENDPOINT_URL": "https://all",
        ]
        let services = ["kms": ["endpoint_url": "https://section"], "sts": ["endpoint_url": ""]]
        let profile = ["endpoint_url": "https://profile"]
        func now(_ service: AWSService = .kms) throws -> String {
            try url(service, "eu-west-1", environment, profile: profile, services: services)
        }
        #expect(try now() == "https://own")
        #expect(try now(.sts) == "https://sts")
        environment["SB_KMS_AWS_ENDPOINT"] = nil
        #expect(try now() == "https://kms")
        environment["AWS_ENDPOINT_URL_KMS"] = ""
        #expect(try now() == "https://all")
        environment["AWS_ENDPOINT_URL"] = nil
        #expect(try now() == "https://section")
        environment["AWS_ENDPOINT_URL_STS"] = nil
        #expect(try now(.sts) == "https://profile")
        environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
        #expect(try now() == "https://kms.eu-west-1.amazonaws.com")
        environment["AWS_ENDPOINT_URL"] = "https://all"
        #expect(try now(.sts) == "https://sts.eu-west-1.amazonaws.com")
        environment["SB_KMS_AWS_ENDPOINT"] = "https://own"
        #expect(try now() == "https://own")
    }

    private func refusal(_ environment: [String: String], profile: [String: String] = [:]) -> SettingError? {
        do {
            _ = try url(.kms, "eu-west-1", environment, profile: profile)
            return nil
        } catch {
            return error as? SettingError
        }
    }

    @Test(arguments: [
        ("SB_KMS_AWS_ENDPOINT", "http://kms.example.com"), ("SB_KMS_AWS_ENDPOINT", "kms.example.com"),
        ("AWS_ENDPOINT_URL_KMS", "http://10.0.0.1:4566"), ("AWS_ENDPOINT_URL", "https://u:p@kms"),
        ("AWS_ENDPOINT_URL", "https://kms/?x"), ("AWS_USE_FIPS_ENDPOINT", "yes"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "1"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "on"),
        ("SB_KMS_AWS_ALLOW_HTTP", "2"),
    ])
    func rejectsInvalidURLsAndNamesTheSetting(variable: String, value: String) {
        #expect(refusal([variable: value])?.variable == variable)
    }

    @Test func allowsPlainHTTPToLoopbackOrIfItIsAccepted() throws {
        #expect(
            try url(.kms, "eu-west-1", ["SB_KMS_AWS_ENDPOINT": "http://127.0.0.1:4566"])
                == "http://127.0.0.1:4566")
        #expect(refusal(["SB_KMS_AWS_ENDPOINT": "http://127.0.0.1.evil"]) != nil)
        #expect(refusal([:], profile: ["endpoint_url": "http://kms"])?.variable == "endpoint_url")
        #expect(
            try url(
                .kms, "eu-west-1", ["SB_KMS_AWS_ENDPOINT": "http://stack", "SB_KMS_AWS_ALLOW_HTTP": "true"])
                == "http://stack")
    }

    @Test(arguments: [
        ("eu-west-1", true), ("a", true), ("us-gov-west-1", true), ("", false), ("EU-west-1", false),
        ("eu-west-1.evil.com", false), ("eu/west", false), ("-eu", false), ("eu-", false), ("eu_west", false),
        ("1eu", false), ("eu west", false), ("é", false), ("a@b", false),
        (String(repeating: "a", count: 63), true), (String(repeating: "a", count: 64), false),
    ])
    func validatesRegionNames(text: String, isValid: Bool) {
        #expect((AWSRegion(text) != nil) == isValid)
    }
}
