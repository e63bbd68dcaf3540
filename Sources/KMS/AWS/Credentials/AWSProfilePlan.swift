import Cryptography
import Settings
import System

/// The way to get a profile's credentials, derived from its settings.
///
/// If a profile has settings for several ways, botocore's order applies: role, web identity, IAM Identity Center, access
/// keys, program.
///
/// Source: AWS SDKs and Tools Reference Guide, "Assume role credential provider" and the other providers.
indirect enum AWSProfilePlan: Sendable {
    case accessKeys(AWSCredentials)
    case webIdentity(AWSAssumedRole, tokenFile: String)
    case sso(AWSSSOSettings)
    case process(String)
    /// The values of `credential_source`.
    case environment, container, instance
    /// A role that is assumed with the credentials of the inner plan.
    case assumeRole(AWSAssumedRole, profile: String, with: AWSProfilePlan)

    /// The longest chain of roles. Each is a request to STS, and reading a chain takes stack.
    static let maximumRoles = 16

    /// - Returns: Nil if the selected profile has no settings for credentials.
    /// - Throws: `AWSCredentialsError` if its settings are incomplete or contradictory.
    static func make(_ profiles: AWSProfiles) throws(AWSCredentialsError) -> AWSProfilePlan? {
        guard let profile = try profiles.profile(profiles.selectedName) else { return nil }
        let planner = Planner(profiles: profiles)
        if profile.assumesRole { return try planner.role(profile, visited: []) }
        if let plan = try planner.base(profile) { return plan }
        guard profile.value("login_session") == nil else {
            throw planner.misconfigured(
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

    func misconfigured(_ profile: AWSProfile, _ problem: String) -> AWSCredentialsError {
        AWSCredentialsError(.misconfigured, "profile \(profile.name.sanitizedName): \(problem)")
    }

    func role(_ profile: AWSProfile, visited: Set<String>) throws(AWSCredentialsError) -> AWSProfilePlan {
        guard profile.value("mfa_serial") == nil else {
            throw misconfigured(
                profile,
                "mfa_serial requires a code from a user, which is not supported; use a role without it, or "
                    + "credential_process")
        }
        let role = try AWSAssumedRole(
            arn: profile.value("role_arn") ?? "", sessionName: profile.value("role_session_name"),
            externalID: profile.value("external_id"), duration: profile.value("duration_seconds"),
            from: "profile \(profile.name.sanitizedName)")
        switch (profile.value("source_profile"), profile.value("credential_source")) {
        case (.some, .some):
            throw misconfigured(
                profile, "source_profile and credential_source are both set; remove one of them")
        case (nil, nil):
            throw misconfigured(
                profile,
                "role_arn is set without source_profile, credential_source or web_identity_token_file; add one of them"
            )
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
            throw misconfigured(profile, "its source_profile \(name.sanitizedName) does not exist")
        }
        // In a source profile, access keys have priority over a role, so that one profile may have both.
        if source.assumesRole, !source.hasKeys {
            guard !visited.contains(name) else {
                throw misconfigured(profile, "its source_profile \(name.sanitizedName) leads back to itself")
            }
            guard visited.count < AWSProfilePlan.maximumRoles else {
                throw misconfigured(
                    profile,
                    "it is in a chain of more than \(AWSProfilePlan.maximumRoles) roles; assume fewer, one after the other"
                )
            }
            return try role(source, visited: visited)
        }
        guard let plan = try base(source) else {
            throw misconfigured(profile, "its source_profile \(name.sanitizedName) has no credentials")
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
            throw misconfigured(
                profile, "its credential_source is not Environment, EcsContainer or Ec2InstanceMetadata")
        }
    }

    /// Returns the profile's credentials other than a role that needs source credentials, or nil if it has none.
    func base(_ profile: AWSProfile) throws(AWSCredentialsError) -> AWSProfilePlan? {
        if let file = profile.value("web_identity_token_file") {
            guard let arn = profile.value("role_arn") else {
                throw misconfigured(profile, "web_identity_token_file is set without role_arn; set both")
            }
            let role = try AWSAssumedRole(
                arn: arn, sessionName: profile.value("role_session_name"),
                duration: profile.value("duration_seconds"), from: "profile \(profile.name.sanitizedName)")
            return .webIdentity(role, tokenFile: file)
        }
        if let sso = try AWSSSOSettings(profile, profiles) { return .sso(sso) }
        if let keys = try keys(profile) { return .accessKeys(keys) }
        return profile.value("credential_process").map { .process($0) }
    }

    private func keys(_ profile: AWSProfile) throws(AWSCredentialsError) -> AWSCredentials? {
        let secret = profile.secrets["aws_secret_access_key"]
        switch (profile.value("aws_access_key_id"), secret) {
        case (nil, nil): return nil
        case (.some, nil):
            throw misconfigured(profile, "aws_access_key_id is set without aws_secret_access_key; set both")
        case (nil, .some):
            throw misconfigured(profile, "aws_secret_access_key is set without aws_access_key_id; set both")
        case (.some(let id), .some(let secret)):
            // If both are set, botocore uses the older name.
            let token = profile.secrets["aws_security_token"] ?? profile.secrets["aws_session_token"]
            guard
                let keys = AWSCredentials(
                    accessKeyID: SharedSecret(copying: id.utf8), secretAccessKey: secret, sessionToken: token)
            else { throw misconfigured(profile, "its access keys are not words of visible ASCII") }
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
