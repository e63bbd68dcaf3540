/// The settings of a profile that gets its credentials through IAM Identity Center.
///
/// Source: AWS SDKs and Tools Reference Guide, "IAM Identity Center credential provider".
struct AWSSSOSettings: Equatable, Sendable {
    /// For `aws sso login --profile …`.
    let profile: String
    /// Of `[sso-session …]`; nil: all settings stand in the profile, and sign-ins are not refreshed.
    let session: String?
    let startURL: String
    /// Of IAM Identity Center.
    let region: String
    let account: String
    let role: String

    /// nil: the profile does not use it.
    ///
    /// Errors: a setting is missing, or said twice in two ways.
    init?(_ profile: AWSProfile, _ profiles: AWSProfiles) throws(AWSCredentialsError) {
        func wrong(_ what: String) -> AWSCredentialsError {
            AWSCredentialsError(.misconfigured, "profile \(profile.name.sanitizedName): \(what)")
        }
        guard profile.value("sso_account_id") != nil || profile.value("sso_role_name") != nil else {
            return nil
        }
        let session = profile.value("sso_session")
        var section: AWSProfile?
        if let session {
            section = try profiles.ssoSession(session)
            guard section != nil else { throw wrong("there is no [sso-session \(session.sanitizedName)]") }
        }
        func setting(_ key: String) throws(AWSCredentialsError) -> String {
            let ours = profile.value(key)
            let theirs = section?.value(key)
            if let ours, let theirs, ours != theirs {
                throw wrong("\(key) is another one than in [sso-session \((session ?? "").sanitizedName)]")
            }
            guard let value = ours ?? theirs else { throw wrong("\(key) is missing for IAM Identity Center") }
            return value
        }
        self.profile = profile.name
        self.session = session
        startURL = try setting("sso_start_url")
        region = try setting("sso_region")
        account = try setting("sso_account_id")
        role = try setting("sso_role_name")
    }
}
