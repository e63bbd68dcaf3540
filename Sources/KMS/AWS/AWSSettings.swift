/// Which key, where, and how fast. Every part was checked.
struct AWSSettings: Sendable {
    let region: AWSRegion
    let key: AWSKeyReference
    let kmsAddress: ServerAddress
    let stsAddress: ServerAddress
    /// Requests to KMS per second, of this process.
    let requestsPerSecond: Int
    /// The CAs of KMS, STS and IAM Identity Center.
    let tls: TLSSettings
    let acceptsPlainHTTP: Bool

    static let regionVariable = "SB_KMS_AWS_REGION"
    static let keyVariable = "SB_KMS_AWS_KEY_ID"
    static let maximumRateVariable = "SB_KMS_AWS_MAX_RPS"
    /// Well below the smallest quota that a Region has for all of an account.
    static let defaultRequestsPerSecond = 1000
}
