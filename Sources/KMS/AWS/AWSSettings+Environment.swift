extension AWSSettings {
    /// Reads `SB_KMS_AWS_*`, and where one is not set, what the AWS SDKs read.
    ///
    /// - Parameters:
    ///   - profile: Settings of the active profile of the shared configuration.
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
                    "is none of: a key ARN, an alias ARN, a key id (UUID or mrk-…), or alias/<name>; for "
                    + "example: alias/sb-wrap")
        }
        return key
    }

    private static func region(
        _ environment: Environment, _ profile: [String: String], _ key: AWSKeyReference
    ) throws(SettingError) -> AWSRegion {
        func named(_ text: String, _ variable: String) throws(SettingError) -> AWSRegion {
            guard let region = AWSRegion(text) else {
                throw SettingError(
                    variable: variable, problem: "is not the name of a Region, for example: eu-west-1")
            }
            guard !region.isLegacyFIPSName else {
                throw SettingError(
                    variable: variable,
                    problem: "is an old name for a FIPS endpoint; name the Region itself, and set "
                        + "AWS_USE_FIPS_ENDPOINT=true")
            }
            return region
        }
        let own = try environment.value(regionVariable).map { text throws(SettingError) in
            try named(text, regionVariable)
        }
        if let fromARN = key.region {
            guard own == nil || own == fromARN else {
                throw SettingError(
                    variable: regionVariable,
                    problem:
                        "is \(own?.name ?? ""), and the ARN in \(keyVariable) is of \(fromARN); a key serves in "
                        + "its own Region (of a multi-Region key, name the replica there)")
            }
            guard key.partition == fromARN.partition.name else {
                throw SettingError(
                    variable: keyVariable,
                    problem: "is an ARN of the partition \(key.partition ?? ""), and \(fromARN) is in "
                        + "\(fromARN.partition.name)")
            }
            return fromARN
        }
        if let own { return own }
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let text = environment.value(variable) { return try named(text, variable) }
        }
        if let text = profile["region"], !text.isEmpty {
            return try named(text, "region (of the AWS profile)")
        }
        throw SettingError(
            variable: regionVariable,
            problem:
                "is not set; it names the key's Region, for example: export \(regionVariable)=eu-west-1 (a key's "
                + "ARN in \(keyVariable), AWS_REGION or the profile's region would do, too)")
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
