import Envelope
import FoundationEssentials
import System

/// The reasons for which Vault rejects a login, as far as this version knows their texts (OpenBao 2.x, Vault 1.x). The texts
/// are never shown: they can quote what was sent.
enum VaultLoginRejection: Equatable {
    case unknownRole, missingRole
    case audience, issuer, subject, namespace, claims
    case expired, notYetValid, signature, malformed
    case notConfigured
    /// The secret id of an AppRole, or its role id.
    case secretID
    /// "permission denied" without a reason: there is no auth method at the path, or the TokenReview of the Kubernetes method
    /// failed.
    case tokenReviewFailed
    case unknown

    init(_ text: String) {
        let known: [(String, VaultLoginRejection)] = [
            ("validating claims", .claims), ("bound claim", .claims),
            ("no audiences bound", .audience), ("(aud)", .audience), ("audience", .audience),
            ("(iss)", .issuer), ("issuer", .issuer), ("claim \"iss\"", .issuer),
            ("namespace not authorized", .namespace),
            ("service account name not authorized", .subject), ("(sub)", .subject),
            ("(nbf)", .notYetValid), ("(iat)", .notYetValid), ("not yet valid", .notYetValid),
            ("(exp)", .expired), ("expired", .expired),
            ("malformed jwt", .malformed), ("must have three parts", .malformed),
            ("signature", .signature), ("fetching keys", .signature),
            ("claim \"", .claims),
            ("could not load configuration", .notConfigured),
            ("could not load backend configuration", .notConfigured),
            ("invalid role or secret", .secretID), ("secret_id", .secretID), ("secret id", .secretID),
            ("missing role", .missingRole), ("invalid role name", .unknownRole),
            ("could not be found", .unknownRole),
            ("permission denied", .tokenReviewFailed), ("lookup failed", .tokenReviewFailed),
            ("unauthorized", .tokenReviewFailed),
        ]
        let text = text.lowercased()
        self = known.first { text.contains($0.0) }?.1 ?? .unknown
    }

    /// Returns the problem and its remedy, as the end of a sentence.
    ///
    /// - Parameter claims: The claims of the token that was sent, if it can be read.
    func remedy(for method: VaultLoginMethod, mount: String, _ claims: JWTClaims?) -> String {
        let path = "auth/\(mount)"
        switch self {
        case .unknownRole:
            return
                "it has no role \(method.role ?? "(default)"); check \(VaultVariables.role), or create the role "
                + "(vault list \(path)/role)"
        case .missingRole: return "it has no default role; set \(VaultVariables.role)"
        case .audience:
            let actual =
                claims.map {
                    ": the token's audience is \($0.audiences.isEmpty ? "none" : $0.audiences.listed(limit: 4, bytes: 128))"
                } ?? ""
            return "audience\(actual), and the role \(method.roleName) expects another; make the two equal "
                + "(\(method.audienceSetting) of the role, audience of the projected token)"
        case .issuer:
            let actual = claims?.issuer.map { ": the token's issuer is \($0.sanitizedName)" } ?? ""
            return
                "issuer\(actual), and \(path)/config expects another; set \(method.issuerSetting) there to the token's "
                + "issuer, or leave it out"
        case .subject:
            let actual = claims?.subject.map { " \($0.sanitizedName)" } ?? ""
            return "the role \(method.roleName) is not bound to the service account\(actual); add it to "
                + "\(method.subjectSetting)"
        case .namespace:
            let actual = claims?.subject.map { " of \($0.sanitizedName)" } ?? ""
            return "the role \(method.roleName) is not bound to the namespace\(actual); add it to "
                + "bound_service_account_namespaces"
        case .claims:
            return "the token does not have the claims that the role \(method.roleName) binds (bound_claims)"
        case .expired: return "the token has expired; \(method.tokenSetting) must name a file that is renewed"
        case .notYetValid:
            return "the token is not valid yet; compare the clocks of Vault and of this machine"
        case .signature:
            return
                "the token's signature does not match the keys in \(path)/config; is it a token of this cluster, "
                + "and does Vault reach jwks_url?"
        case .malformed: return "\(method.tokenSetting) does not name a file with a JWT"
        case .notConfigured: return "\(path) is not configured (vault write \(path)/config …)"
        case .tokenReviewFailed: return method.tokenReviewRemedy(path, claims)
        case .secretID, .unknown: return method.generalRemedy
        }
    }
}

extension VaultLoginMethod {
    var role: String? {
        switch self {
        case .kubernetes(let role, _): role
        case .jwt(let role, _): role
        case .appRole: nil
        }
    }

    var identityTokenSource: (any IdentityTokenSource)? {
        switch self {
        case .kubernetes(_, let token), .jwt(_, let token): token
        case .appRole: nil
        }
    }

    fileprivate var roleName: String { role ?? "(default)" }

    fileprivate var tokenSetting: String {
        if case .jwt = self { VaultVariables.jwtFile } else { VaultVariables.serviceAccountTokenFile }
    }

    // The names of the settings in Vault's two auth methods.

    fileprivate var audienceSetting: String { if case .jwt = self { "bound_audiences" } else { "audience" } }
    fileprivate var issuerSetting: String { if case .jwt = self { "bound_issuer" } else { "issuer" } }
    fileprivate var subjectSetting: String {
        if case .jwt = self { "bound_subject" } else { "bound_service_account_names" }
    }

    fileprivate func tokenReviewRemedy(_ path: String, _ claims: JWTClaims?) -> String {
        guard case .kubernetes = self else {
            return "there is no auth method at \(path), or it may not be used; enable it, or set "
                + VaultVariables.authenticationMount
        }
        if let end = claims?.expiration, end < Date() {
            return "the token has expired; \(tokenSetting) must name a file that is renewed"
        }
        return
            "the cluster's TokenReview did not confirm the token, or there is no auth method at \(path); check in "
            + "\(path)/config that token_reviewer_jwt has not expired and its service account may review tokens "
            + "(system:auth-delegator), and kubernetes_host and kubernetes_ca_cert; that the token's service account and "
            + "pod still exist; and \(VaultVariables.authenticationMount)"
    }

    fileprivate var generalRemedy: String {
        switch self {
        case .kubernetes(let role, _):
            "check that the role \(role) exists and binds this service account, its namespace and the token's "
                + "audience (\(VaultVariables.role), \(VaultVariables.serviceAccountTokenFile)), and that the "
                + "method may review tokens"
        case .jwt:
            "check the role \(roleName) and its bound claims, and that \(VaultVariables.jwtFile) holds "
                + "a JWT that is not expired"
        case .appRole:
            "check \(VaultVariables.roleID) and \(VaultVariables.secretID); the secret id may be used up or expired"
        }
    }
}
