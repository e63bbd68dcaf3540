import System

/// A partition of AWS: a group of Regions with its own accounts, ARNs and domains.
///
/// Source: `partitions.json` of the AWS SDKs.
struct AWSPartition: Sendable, Equatable {
    /// The second field of ARNs.
    let name: String
    /// The domain of endpoints: `<service>.<region>.<suffix>`.
    let suffix: String
    /// The domain of endpoints that also have IPv6 addresses.
    let dualStackSuffix: String
    /// The prefix of the names of its Regions. It is empty for the commercial partition, which has all others.
    fileprivate let prefix: String

    static let all = [
        AWSPartition(
            name: "aws-cn", suffix: "amazonaws.com.cn", dualStackSuffix: "api.amazonwebservices.com.cn",
            prefix: "cn-"),
        AWSPartition(
            name: "aws-us-gov", suffix: "amazonaws.com", dualStackSuffix: "api.aws", prefix: "us-gov-"),
        AWSPartition(
            name: "aws-eusc", suffix: "amazonaws.eu", dualStackSuffix: "api.amazonwebservices.eu",
            prefix: "eusc-"),
        AWSPartition(
            name: "aws-iso", suffix: "c2s.ic.gov", dualStackSuffix: "api.aws.ic.gov", prefix: "us-iso-"),
        AWSPartition(
            name: "aws-iso-b", suffix: "sc2s.sgov.gov", dualStackSuffix: "api.aws.scloud", prefix: "us-isob-"),
        AWSPartition(
            name: "aws-iso-e", suffix: "cloud.adc-e.uk", dualStackSuffix: "api.cloud-aws.adc-e.uk",
            prefix: "eu-isoe-"),
        AWSPartition(
            name: "aws-iso-f", suffix: "csp.hci.ic.gov", dualStackSuffix: "api.aws.hci.ic.gov",
            prefix: "us-isof-"),
        commercial,
    ]

    private static let commercial = AWSPartition(
        name: "aws", suffix: "amazonaws.com", dualStackSuffix: "api.aws", prefix: "")

    fileprivate static func of(region: String) -> AWSPartition {
        all.first { region.hasPrefix($0.prefix) } ?? commercial
    }
}

/// The validated name of a Region. It becomes part of host names and signatures.
struct AWSRegion: Sendable, Hashable, CustomStringConvertible {
    let name: String

    /// Returns nil unless `text` is 1 to 63 of a-z 0-9 -, begins with a letter, and ends with a letter or digit.
    init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        func isLetterOrDigit(_ byte: UInt8) -> Bool { byte.isASCIILowercase || byte.isASCIIDigit }
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last,
            first.isASCIILowercase, isLetterOrDigit(last),
            bytes.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        name = String(text)
    }

    var partition: AWSPartition { .of(region: name) }
    /// Old settings name FIPS endpoints like Regions: `us-east-1-fips`, `fips-us-east-1`.
    var isLegacyFIPSName: Bool { name.hasPrefix("fips-") || name.hasSuffix("-fips") }
    var description: String { name }
}
