import Foundation
import HTTP
import System
import TestSupport
import Testing

@testable import KMS

/// Messages about logins that a real server rejects. The TokenReview of the cluster is a fake that confirms no token; the JWTs
/// are real.
@Suite(
    .enabled(if: OpenBao.isAvailable && Python.hasModules("cryptography")), .serialized,
    .timeLimit(.minutes(5)))
struct VaultLoginServerTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Signs the claims with a new key.
    ///
    /// - Returns: The file of the token, and the public key.
    private func token(_ claims: [String: AnyJSON]) async throws -> (file: String, key: String) {
        let now = Int(Date().timeIntervalSince1970)
        let whole: [String: AnyJSON] = [
            "iss": "https://cluster.example", "aud": ["vault"], "sub": "system:serviceaccount:sb:sb",
            "iat": .int(now - 10), "nbf": .int(now - 10), "exp": .int(now + 600),
            "kubernetes.io": ["namespace": "sb", "serviceaccount": ["name": "sb", "uid": "u-1"]],
        ].merging(claims) { $1 }
        let input = try AnyJSON.object(whole).data()
        let output = try await Python.runOnThread { try Python.run(["-c", Self.script], input: input) }
        let parts = String(decoding: output, as: UTF8.self).split(separator: "\n", maxSplits: 1)
        return (try folder.write("token", parts[0].utf8), String(parts[1]))
    }

    private func message(
        _ bao: OpenBao, _ method: VaultLoginMethod, mount: String
    ) async throws -> String? {
        let location = VaultEndpoint(address: try #require(ServerAddress(bao.address)), namespace: nil)
        let login = VaultLoginTokenSource(
            method, mount: mount, client: VaultClient(location, transport: CurlClient(.init(proxy: .none))))
        do {
            _ = try await login.token()
            return nil
        } catch {
            #expect(error.code == .loginRejected)
            return error.message
        }
    }

    @Test func explainsRejectionsOfTheKubernetesMethod() async throws {
        let authority = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../../Vectors/tls/ca.crt").standardizedFileURL, encoding: .utf8)
        let cluster = try FakeServer.responding { _ in
            response(
                201,
                #"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":false}}"#,
                "Content-Type: application/json\r\n")
        }
        let bao = try await OpenBao()
        try await bao.post("sys/auth/kubernetes", ["type": "kubernetes"])
        func configure(_ more: [String: AnyJSON] = [:]) async throws {
            let config: [String: AnyJSON] = [
                "kubernetes_host": .string(cluster.url), "disable_local_ca_jwt": .bool(true),
                "kubernetes_ca_cert": .string(authority),
                "token_reviewer_jwt": "x.y.z",
            ]
            try await bao.post("auth/kubernetes/config", .object(config.merging(more) { $1 }))
        }
        try await configure()
        func role(_ more: [String: AnyJSON] = [:]) async throws {
            let role: [String: AnyJSON] = [
                "bound_service_account_names": "sb", "bound_service_account_namespaces": "sb",
                "audience": "vault",
            ]
            try await bao.post("auth/kubernetes/role/sb", .object(role.merging(more) { $1 }))
        }
        try await role()
        let file = try await token([:]).file
        let method = VaultLoginMethod.kubernetes(role: "sb", token: .file(file))
        func rejection(mount: String = "kubernetes") async throws -> String {
            try await message(bao, method, mount: mount) ?? ""
        }
        #expect(
            try await message(bao, .kubernetes(role: "typo", token: .file(file)), mount: "kubernetes")?
                .contains("no role typo") == true)
        try await role(["audience": "other"])
        #expect(
            try await rejection().contains("the token's audience is vault, and the role sb expects another"))
        try await role(["bound_service_account_names": "other"])
        #expect(
            try await rejection().contains("not bound to the service account system:serviceaccount:sb:sb"))
        try await role(["bound_service_account_namespaces": "other"])
        #expect(try await rejection().contains("bound_service_account_namespaces"))
        try await role()
        try await configure(["disable_iss_validation": .bool(false), "issuer": "https://other.example"])
        #expect(try await rejection().contains("the token's issuer is https://cluster.example"))
        try await configure()
        let unreviewed = try await rejection()
        #expect(unreviewed.contains("TokenReview"), "\(unreviewed)")
        #expect(unreviewed.contains("token_reviewer_jwt"))
        #expect(try await rejection(mount: "typo").contains("there is no auth method at auth/typo"))
        try await configure(["kubernetes_host": "http://127.0.0.1:1"])
        #expect(try await rejection().contains("kubernetes_host"))
        withExtendedLifetime(cluster) {}
    }

    @Test func explainsRejectionsOfTheJWTMethod() async throws {
        let bao = try await OpenBao()
        try await bao.post("sys/auth/jwt", ["type": "jwt"])
        let (file, key) = try await token([:])
        let method = VaultLoginMethod.jwt(role: "sb", token: .file(file))
        func rejection() async throws -> String { try await message(bao, method, mount: "jwt") ?? "" }
        #expect(try await rejection().contains("auth/jwt is not configured"))
        func configure(_ more: [String: AnyJSON] = [:]) async throws {
            let keys: [String: AnyJSON] = ["jwt_validation_pubkeys": [.string(key)]]
            try await bao.post("auth/jwt/config", .object(keys.merging(more) { $1 }))
        }
        try await configure()
        #expect(try await rejection().contains("no role sb"))
        func role(_ more: [String: AnyJSON] = [:]) async throws {
            let role: [String: AnyJSON] = [
                "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
                "bound_subject": "system:serviceaccount:sb:sb",
            ]
            try await bao.post("auth/jwt/role/sb", .object(role.merging(more) { $1 }))
        }
        try await role()
        #expect(try await message(bao, method, mount: "jwt") == nil)
        try await role(["bound_audiences": ["other"]])
        #expect(try await rejection().contains("the token's audience is vault"))
        try await role(["bound_subject": "other"])
        #expect(try await rejection().contains("bound_subject"))
        try await role(["bound_claims": ["iss": "https://other.example"]])
        #expect(try await rejection().contains("bound_claims"))
        try await role()
        try await configure(["bound_issuer": "https://other.example"])
        #expect(try await rejection().contains("the token's issuer is https://cluster.example"))
        try await bao.post("auth/jwt/config", ["jwt_validation_pubkeys": [.string(try await token([:]).key)]])
        try await role()
        let foreign = try await token([:]).file
        #expect(foreign == file)
        #expect(try await rejection().contains("signature"))
        let expired = try await token(["exp": 1_000_000_000, "iat": 999_999_000, "nbf": 999_999_000])
        try await bao.post("auth/jwt/config", ["jwt_validation_pubkeys": [.string(expired.key)]])
        #expect(try await rejection().contains("has expired"))
        try folder.write("token", "no-jwt")
        #expect(try await rejection().contains("does not name a file with a JWT"))
    }

    private static let script = """
        import base64, json, sys
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        head = encode(b'{"alg":"RS256","typ":"JWT"}') + "." + encode(sys.stdin.buffer.read())
        print(head + "." + encode(key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())))
        print(key.public_key().public_bytes(serialization.Encoding.PEM,
                                            serialization.PublicFormat.SubjectPublicKeyInfo).decode())
        """
}
