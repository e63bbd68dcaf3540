/// The services that are spoken to.
enum AWSService: Sendable, CaseIterable {
    case kms, sts
    /// The portal that gives credentials for a sign-in, and the service that the sign-in is with.
    case sso, ssoOIDC

    /// As host names begin.
    var hostPrefix: String {
        switch self {
        case .kms: "kms"
        case .sts: "sts"
        case .sso: "portal.sso"
        case .ssoOIDC: "oidc"
        }
    }

    /// In messages.
    var title: String {
        switch self {
        case .kms: "KMS"
        case .sts: "STS"
        case .sso, .ssoOIDC: "IAM Identity Center"
        }
    }

    /// As signatures name it.
    var signingName: String {
        switch self {
        case .kms: "kms"
        case .sts: "sts"
        case .sso: "awsssoportal"
        case .ssoOIDC: "sso-oauth"
        }
    }

    /// As a `services` section of the shared configuration has it; in capitals, as AWS_ENDPOINT_URL_… has it.
    var settingName: String {
        switch self {
        case .kms: "kms"
        case .sts: "sts"
        case .sso: "sso"
        case .ssoOIDC: "sso_oidc"
        }
    }
}
