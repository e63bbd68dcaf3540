import Foundation
import System
import TestSupport
import Testing

@testable import KMS

/// Messages about rejected logins. The texts are those of OpenBao 2.7 (VaultLoginServerTests) and Vault 1.x.
struct VaultLoginRejectionTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func message(_ text: String, status: Int, _ method: VaultLoginMethod) async throws -> String {
        let body = try String(
            decoding: AnyJSON.object(["errors": .array([.string(text)])]).data(), as: UTF8.self)
        let login = VaultLoginTokenSource(
            method, mount: "k8s",
            client: VaultClient(try vaultEndpoint(), transport: FakeTransport { _ in .init(status, body) }))
        let error = await #expect(throws: VaultError.self) { _ = try await login.token() }
        #expect(error?.code == .loginRejected)
        return error?.message ?? ""
    }

    private func token(_ claims: [String: AnyJSON]) throws -> String {
        let text = try AnyJSON.object(claims).data().base64EncodedString()
            .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
        return try folder.write("token", "e30.\(text).c2ln\n")
    }

    private var claims: [String: AnyJSON] {
        [
            "iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc", "other"],
            "sub": "system:serviceaccount:secrets-bridge:sb",
            "exp": .int(Int(Date().timeIntervalSince1970) + 600),
        ]
    }

    @Test(arguments: [
        (#"invalid role name "canary""#, 400, "no role sb; check SB_KMS_VAULT_ROLE"),
        (
            "invalid audience (aud) claim: audience claim does not match any expected audience", 403,
            "audience: the token's audience is https://kubernetes.default.svc, other, and the role sb expects another"
        ),
        (
            "invalid issuer (iss) claim", 403,
            "issuer: the token's issuer is https://kubernetes.default.svc, and auth/k8s/config expects another; set issuer there"
        ),
        (
            "service account name not authorized", 403,
            "not bound to the service account system:serviceaccount:secrets-bridge:sb; add it to bound_service_account_names"
        ),
        ("namespace not authorized", 403, "bound_service_account_namespaces"),
        ("invalid not before (nbf) claim: token not yet valid", 403, "clocks"),
        ("permission denied", 403, "token_reviewer_jwt"), ("permission denied", 403, "system:auth-delegator"),
        (
            "lookup failed: service account unauthorized; this could mean it has been deleted or recreated with a new token",
            403, "TokenReview"
        ),
        ("could not load backend configuration", 500, "not configured"),
        ("canary", 400, "check that the role sb exists"),
        ("missing role", 400, "SB_KMS_VAULT_ROLE"),
    ])
    func explainsARejectionOfTheKubernetesMethod(text: String, status: Int, expected: String) async throws {
        let file = try token(claims)
        let message = try await message(
            "1 error occurred:\n\t* \(text)\n\n", status: status, .kubernetes(role: "sb", token: .file(file)))
        #expect(message.hasPrefix("Vault at https://vault:8200 refuses the login at auth/k8s: "))
        #expect(message.contains(expected), "\(message)")
        #expect(!message.contains("canary"))
        #expect(isOneLine(message))
    }

    @Test(arguments: [
        (
            "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience",
            "bound_audiences"
        ),
        ("audience claim found in JWT but no audiences bound to the role", "bound_audiences"),
        ("error validating token: invalid issuer (iss) claim", "bound_issuer"),
        ("error validating token: invalid subject (sub) claim", "bound_subject"),
        (
            #"error validating claims: claim "x" does not match any associated bound claim values"#,
            "bound_claims"
        ),
        (
            "error validating token: error verifying token signature: failed to verify id token signature",
            "jwks_url"
        ),
        (
            "error validating token: error verifying token signature: oidc: malformed jwt: go-jose/go-jose: compact JWS format must have three parts",
            "SB_KMS_VAULT_JWT_FILE"
        ),
        (#"role "nope" could not be found"#, "no role sb"),
        ("could not load configuration", "not configured"),
        ("invalid expiration time (exp) claim: token is expired", "has expired"),
        ("permission denied", "no auth method at auth/k8s"),
    ])
    func explainsARejectionOfTheJWTMethod(text: String, expected: String) async throws {
        let file = try token(claims)
        let message = try await message(
            text, status: text == "permission denied" ? 403 : 400, .jwt(role: "sb", token: .file(file)))
        #expect(message.contains(expected), "\(message)")
        #expect(!message.contains("nope"))
    }

    @Test func reportsAnExpiredTokenRatherThanTheTokenReview() async throws {
        var claims = claims
        claims["exp"] = .int(1_000_000_000)
        let file = try token(claims)
        let message = try await message(
            "permission denied", status: 403, .kubernetes(role: "sb", token: .file(file)))
        #expect(message.contains("the token has expired; SB_KMS_VAULT_SA_TOKEN_FILE"), "\(message)")
        #expect(!message.contains("TokenReview"))
    }

    /// Claims are untrusted text.
    @Test(arguments: ["a\nb", "a\u{1B}[2Jb", String(repeating: "x", count: 5000)])
    func showsClaimsOnOneLine(text: String) async throws {
        var claims = claims
        claims["aud"] = .string(text)
        let file = try token(claims)
        let message = try await message("(aud)", status: 403, .kubernetes(role: "sb", token: .file(file)))
        #expect(isOneLine(message))
        #expect(message.utf8.count < 800)
    }

    @Test(arguments: ["a.b", "a.!.c", "a.e30.c", "a.W10.c", "...", "a.Ii.c"])
    func explainsARejectionWithoutReadableClaims(text: String) async throws {
        let file = try folder.write("token", text)
        let message = try await message("(aud)", status: 403, .kubernetes(role: "sb", token: .file(file)))
        #expect(message.contains("audience"), "\(message)")
    }

    @Test func explainsARejectionOfAnAppRole() async throws {
        let message = try await message(
            "invalid role or secret ID", status: 400, .appRole(roleID: "r", secretID: nil))
        #expect(message.contains("SB_KMS_VAULT_SECRET_ID"))
    }
}
