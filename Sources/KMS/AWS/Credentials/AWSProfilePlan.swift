import Cryptography

/// Where the credentials of a profile come from, as its settings have it. Pure.
///
/// Where a profile has several ways, botocore's order holds: role, web identity, IAM Identity Center, keys,
/// program.
///
/// Source: AWS SDKs and Tools Reference Guide, "Assume role credential provider" and its neighbours.
indirect enum AWSProfilePlan: Sendable {
    case accessKeys(AWSCredentials)
    case webIdentity(AWSAssumedRole, tokenFile: String)
    case sso(AWSSSOSettings)
    case process(String)
    /// `credential_source`
    case environment, container, instance
    /// A role, assumed with what the inner plan gives.
    case assumeRole(AWSAssumedRole, profile: String, with: AWSProfilePlan)

    /// nil: the selected profile has nothing to do with credentials.
    ///
    /// Errors: what the profile says is not enough, or contradicts itself.
    static func make(_ profiles: AWSProfiles) throws(AWSCredentialsError) -> AWSProfilePlan? {
        guard let profile = try profiles.profile(profiles.selectedName) else { return nil }
        let planner = Planner(profiles: profiles)
        if profile.assumesRole { return try planner.role(profile, visited: []) }
        if let plan = try planner.base(profile) { return plan }
        guard profile.value("login_session") == nil else {
            throw planner.wrong(
                profile,
                "login_session is not supported; use credential_process = aws configure "
                    + "export-credentials --profile \(profile.name.sanitizedName) --format process in another profile"
            )
        }
        return nil
    }
}

private struct Planner {
    let profiles: AWSProfiles

    func wrong(_ profile: AWSProfile, _ what: String) -> AWSCredentialsError {
        AWSCredentialsError(.misconfigured, "profile \(profile.name.sanitizedName): \(what)")
    }

    func role(_ profile: AWSProfile, visited: Set<String>) throws(AWSCredentialsError) -> AWSProfilePlan {
        guard profile.value("mfa_serial") == nil else {
            throw wrong(
                profile,
                "mfa_serial asks a person for a code, which is not supported; use a role without it, or "
                    + "credential_process")
        }
        let role = try AWSAssumedRole(
            arn: profile.value("role_arn") ?? "", sessionName: profile.value("role_session_name"),
            externalID: profile.value("external_id"), duration: profile.value("duration_seconds"),
            from: "profile \(profile.name.sanitizedName)")
        switch (profile.value("source_profile"), profile.value("credential_source")) {
        case (.some, .some):
            throw wrong(profile, "source_profile and credential_source are both there; keep one of them")
        case (nil, nil):
            throw wrong(
                profile,
                "role_arn needs source_profile, credential_source or web_identity_token_file beside it")
        case (.some(let name), nil):
            let source = try source(name, of: profile, visited: visited.union([profile.name]))
            return .assumeRole(role, profile: profile.name, with: source)
        case (nil, .some(let name)):
            return .assumeRole(role, profile: profile.name, with: try source(named: name, of: profile))
        }
    }

    private func source(
        _ name: String, of profile: AWSProfile, visited: Set<String>
    ) throws(AWSCredentialsError) -> AWSProfilePlan {
        guard let source = try profiles.profile(name) else {
            throw wrong(profile, "its source_profile \(name.sanitizedName) does not exist")
        }
        // Keys win over a role in a profile that is a source, so that one profile may have both.
        if source.assumesRole, !source.hasKeys {
            guard !visited.contains(name) else {
                throw wrong(profile, "its source_profile \(name.sanitizedName) leads back to itself")
            }
            return try role(source, visited: visited)
        }
        guard let plan = try base(source) else {
            throw wrong(profile, "its source_profile \(name.sanitizedName) has no credentials")
        }
        return plan
    }

    private func source(
        named name: String, of profile: AWSProfile
    ) throws(AWSCredentialsError) -> AWSProfilePlan {
        switch name.lowercased() {
        case "environment": return .environment
        case "ecscontainer": return .container
        case "ec2instancemetadata": return .instance
        default:
            throw wrong(
                profile, "its credential_source is not Environment, EcsContainer or Ec2InstanceMetadata")
        }
    }

    /// Without a role that needs other credentials; nil: there is nothing.
    func base(_ profile: AWSProfile) throws(AWSCredentialsError) -> AWSProfilePlan? {
        if let file = profile.value("web_identity_token_file") {
            guard let arn = profile.value("role_arn") else {
                throw wrong(profile, "web_identity_token_file needs role_arn beside it")
            }
            let role = try AWSAssumedRole(
                arn: arn, sessionName: profile.value("role_session_name"),
                duration: profile.value("duration_seconds"), from: "profile \(profile.name.sanitizedName)")
            return .webIdentity(role, tokenFile: file)
        }
        if let signOn = try AWSSSOSettings(profile, profiles) { return .sso(signOn) }
        if let keys = try keys(profile) { return .accessKeys(keys) }
        return profile.value("credential_process").map { .process($0) }
    }

    private func keys(_ profile: AWSProfile) throws(AWSCredentialsError) -> AWSCredentials? {
        let secret = profile.secrets["aws_secret_access_key"]
        switch (profile.value("aws_access_key_id"), secret) {
        case (nil, nil): return nil
        case (.some, nil):
            throw wrong(profile, "aws_access_key_id is there without aws_secret_access_key")
        case (nil, .some):
            throw wrong(profile, "aws_secret_access_key is there without aws_access_key_id")
        case (.some(let id), .some(let secret)):
            // Of both, botocore takes the older name.
            let token = profile.secrets["aws_security_token"] ?? profile.secrets["aws_session_token"]
            guard
                let keys = AWSCredentials(
                    accessKeyID: SharedSecret(copying: id.utf8), secretAccessKey: secret, sessionToken: token)
            else { throw wrong(profile, "its keys are not words of visible ASCII") }
            return keys
        }
    }
}

extension AWSProfile {
    fileprivate var assumesRole: Bool {
        value("role_arn") != nil && value("web_identity_token_file") == nil
    }

    fileprivate var hasKeys: Bool {
        value("aws_access_key_id") != nil || secrets["aws_secret_access_key"] != nil
    }
}
