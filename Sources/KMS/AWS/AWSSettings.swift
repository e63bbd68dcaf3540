import Settings

/// The validated settings of the aws-kms backend.
struct AWSSettings: Sendable {
    let region: AWSRegion
    let key: AWSKeyReference
    let kmsAddress: ServerAddress
    let stsAddress: ServerAddress
    /// The most requests per second that this process sends to KMS.
    let requestsPerSecond: Int
    /// The CAs that verify KMS, STS and IAM Identity Center.
    let tls: TLSSettings
    let acceptsPlainHTTP: Bool
    /// True for a provider; see `AWSKeyIdentity`.
    var acceptsConfiguredKeyOnly = false

    static let regionVariable = "SB_KMS_AWS_REGION"
    static let keyVariable = "SB_KMS_AWS_KEY_ID"
    static let maximumRateVariable = "SB_KMS_AWS_MAX_RPS"
    /// Well below the smallest default quota of a Region, which all callers in an account share.
    static let defaultRequestsPerSecond = 1000
}

extension AWSSettings {
    /// Reads `SB_KMS_AWS_*`, and the variables and settings of the AWS SDKs for those that are not set.
    ///
    /// - Parameters:
    ///   - profile: The settings of the active profile of the shared configuration.
    ///   - services: The `services` section that the profile names, by service.
    static func load(
        from environment: Environment, profile: [String: String] = [:],
        services: [String: [String: String]] = [:]
    ) throws(SettingError) -> AWSSettings {
        let key = try key(environment)
        let region = try region(environment, profile, key)
        let endpoints = try AWSEndpoints(environment: environment, profile: profile, services: services)
        return AWSSettings(
            region: region, key: key, kmsAddress: try endpoints.address(of: .kms, in: region),
            stsAddress: try endpoints.address(of: .sts, in: region), requestsPerSecond: try rate(environment),
            tls: try .aws(environment, profile: profile),
            acceptsPlainHTTP: endpoints.acceptsPlainHTTP)
    }

    private static func key(_ environment: Environment) throws(SettingError) -> AWSKeyReference {
        guard let text = environment.value(keyVariable) else {
            throw SettingError(
                variable: keyVariable,
                problem: "is not set; it names the KMS key by ARN, key id or alias, for example: "
                    + "export \(keyVariable)=alias/sb-wrap")
        }
        guard let key = AWSKeyReference(text) else {
            throw SettingError(
                variable: keyVariable,
                problem:
                    "is not a key ARN, alias ARN, key id (UUID or mrk-…) or alias/<name>; for example: "
                    + "alias/sb-wrap")
        }
        return key
    }

    private static func region(
        _ environment: Environment, _ profile: [String: String], _ key: AWSKeyReference
    ) throws(SettingError) -> AWSRegion {
        func parse(_ text: String, _ variable: String) throws(SettingError) -> AWSRegion {
            guard let region = AWSRegion(text) else {
                throw SettingError(
                    variable: variable, problem: "is not the name of a Region, for example: eu-west-1")
            }
            guard !region.isLegacyFIPSName else {
                throw SettingError(
                    variable: variable,
                    problem: "is a legacy FIPS pseudo-Region; name the Region itself, and set "
                        + "AWS_USE_FIPS_ENDPOINT=true")
            }
            return region
        }
        let configured = try environment.value(regionVariable).map { text throws(SettingError) in
            try parse(text, regionVariable)
        }
        if let fromARN = key.region {
            guard configured == nil || configured == fromARN else {
                throw SettingError(
                    variable: regionVariable,
                    problem:
                        "is \(configured?.name ?? ""), but the ARN in \(keyVariable) is of \(fromARN); a key works in "
                        + "its own Region only (for a multi-Region key, name its replica in \(configured?.name ?? ""))"
                )
            }
            guard key.partition == fromARN.partition.name else {
                throw SettingError(
                    variable: keyVariable,
                    problem: "is an ARN of the partition \(key.partition ?? ""), but \(fromARN) is in "
                        + "\(fromARN.partition.name)")
            }
            return fromARN
        }
        if let configured { return configured }
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let text = environment.value(variable) { return try parse(text, variable) }
        }
        if let text = profile["region"], !text.isEmpty {
            return try parse(text, "region (of the AWS profile)")
        }
        throw SettingError(
            variable: regionVariable,
            problem:
                "is not set; it names the key's Region, for example: export \(regionVariable)=eu-west-1 (or set "
                + "\(keyVariable) to an ARN, AWS_REGION, or the profile's region)")
    }

    private static func rate(_ environment: Environment) throws(SettingError) -> Int {
        guard let text = environment.value(maximumRateVariable) else { return defaultRequestsPerSecond }
        guard let rate = Int(text), (1...100_000).contains(rate) else {
            throw SettingError(
                variable: maximumRateVariable,
                problem:
                    "is not a number of requests per second from 1 to 100000, for example: \(defaultRequestsPerSecond)"
            )
        }
        return rate
    }
}

extension TLSSettings {
    /// Reads the CAs that verify AWS's services: AWS_CA_BUNDLE, or the active profile's `ca_bundle`. As in botocore, they
    /// apply to KMS and to the services that provide credentials.
    static func aws(
        _ environment: Environment, profile: [String: String]
    ) throws(SettingError) -> TLSSettings {
        let source: SettingSource
        if let path = environment.value("AWS_CA_BUNDLE") {
            source = SettingSource(value: path, variable: "AWS_CA_BUNDLE")
        } else if let path = profile["ca_bundle"], !path.isEmpty {
            source = SettingSource(value: path, variable: "ca_bundle (of the AWS profile)")
        } else {
            return TLSSettings()
        }
        guard let path = environment.expandingHome(source.value) else {
            throw SettingError(variable: source.variable, problem: "begins with ~, and HOME is not set")
        }
        return TLSSettings(
            trustedCAs: .paths(file: SettingSource(value: path, variable: source.variable), folder: nil))
    }
}
