import Cryptography
import Envelope
import Foundation
import Settings
import TestSupport
import Testing

@testable import KMS

/// Credential files as gcloud writes them, which google-auth and this program read in the same way: both get a token of the
/// same identity, and open what the other wrapped.
@Suite(.enabled(if: GCPServer.isAvailable), .timeLimit(.minutes(5)))
struct GCPCredentialFileServerTests {
    private static let email = "dev@example.com"

    /// Creates the login of a user, as `gcloud auth application-default login` does. google-auth sends the refresh token to
    /// Google's own name, which leads to the same server.
    private func authorizedUser(_ key: GCPTestKey) async throws -> AnyJSON {
        var file = try await key.server.control("user", ["email": .string(Self.email)])
        file["token_uri"] = .string("\(key.server.url)/token")
        file["quota_project_id"] = "payer"
        return file
    }

    private func impersonationURL(_ key: GCPTestKey, _ account: String) -> AnyJSON {
        .string("\(key.server.url)/v1/projects/-/serviceAccounts/\(account):generateAccessToken")
    }

    private func allowImpersonation(_ key: GCPTestKey, of account: String, by member: String) async throws {
        try await key.server.control(
            "grant",
            [
                "resource": .string("projects/example-project/serviceAccounts/\(account)"),
                "role": "iam.serviceAccountTokenCreator", "member": .string(member),
            ])
    }

    /// Wraps and unwraps with a credential file here and with google-auth, and compares what the server saw.
    ///
    /// - Parameter principal: The identity that uses the key.
    private func expectEqualUse(_ file: AnyJSON, _ key: GCPTestKey, principal: String) async throws {
        let settings = try key.settings(file)
        let path = try #require(settings["GOOGLE_APPLICATION_CREDENTIALS"])
        let manager = try KeyRing.load(from: Environment(settings)).primary
        let own = try await manager.wrap(SharedSecret(copying: Array(0..<32)), for: sampleBinding)
        #expect(
            try await manager.unwrap(own, for: sampleBinding).key.equals(SharedSecret(copying: Array(0..<32)))
        )
        func uses() throws -> [[AnyJSON?]] {
            try key.server.requests(["service": "kms", "status": 200]).filter {
                ["encrypt", "decrypt"].contains($0["operation"]?.string)
            }.map { [$0["operation"], $0["principal"], $0["project"]] }
        }
        let ours = try uses()
        #expect(ours.count == 2)
        #expect(ours.allSatisfy { $0[1] == .string(principal) })

        let output = try await key.python(
            """
            request = {'name': name, 'plaintext': bytes(range(32, 64)), 'additional_authenticated_data': binding}
            theirs = client.encrypt(request=request).ciphertext
            request = {'name': name, 'ciphertext': base64.b64decode('\(own.wrappedKey)'), 'additional_authenticated_data': binding}
            print(client.decrypt(request=request).plaintext.hex(), base64.b64encode(theirs).decode(), end='')
            """, binding: sampleBinding.bytes, credentials: path)
        let parts = output.split(separator: " ").map(String.init)
        try #require(parts.count == 2)
        #expect(parts[0] == hex(0..<32))
        #expect(Array(try uses().dropFirst(2)) == ours)
        let theirs = Recipient(keyID: key.keyID, wrappedKey: parts[1])
        #expect(
            try await manager.unwrap(theirs, for: sampleBinding).key.equals(
                SharedSecret(copying: Array(32..<64))))
    }

    @Test func theLoginOfAUserIsThatOfGoogleAuth() async throws {
        let key = try await GCPTestKey.create(on: try await GCPServer())
        let principal = "user:\(Self.email)"
        try await key.grant("cryptoKeyEncrypterDecrypter", to: principal)
        try await key.server.configure(["quota_projects": ["payer"]])
        try await expectEqualUse(try await authorizedUser(key), key, principal: principal)
    }

    @Test func anImpersonatedServiceAccountIsThatOfGoogleAuth() async throws {
        let key = try await GCPTestKey.create(on: try await GCPServer())
        let account = try #require(
            try await key.serviceAccount("cryptoKeyEncrypterDecrypter")["client_email"]?.string)
        try await allowImpersonation(key, of: account, by: "user:\(Self.email)")
        var source = try await authorizedUser(key)
        source["quota_project_id"] = nil
        let file: AnyJSON = [
            "type": "impersonated_service_account", "delegates": [],
            "service_account_impersonation_url": impersonationURL(key, account),
            "source_credentials": source, "quota_project_id": "payer",
        ]
        try await expectEqualUse(file, key, principal: "serviceAccount:\(account)")
    }

    @Test func aKeyFileThatImpersonatesIsThatOfGoogleAuth() async throws {
        let key = try await GCPTestKey.create(on: try await GCPServer())
        let account = try #require(
            try await key.serviceAccount("cryptoKeyEncrypterDecrypter")["client_email"]?.string)
        let source = try await key.serviceAccount()
        let member = "serviceAccount:\(try #require(source["client_email"]?.string))"
        try await allowImpersonation(key, of: account, by: member)
        let file: AnyJSON = [
            "type": "impersonated_service_account", "delegates": [],
            "service_account_impersonation_url": impersonationURL(key, account),
            "source_credentials": source,
        ]
        try await expectEqualUse(file, key, principal: "serviceAccount:\(account)")
    }

    /// The token endpoint accepts the login, and IAM does not let it impersonate: the message names the role.
    @Test func anImpersonationThatIAMDeniesIsReported() async throws {
        let key = try await GCPTestKey.create(on: try await GCPServer())
        let account = try #require(
            try await key.serviceAccount("cryptoKeyEncrypterDecrypter")["client_email"]?.string)
        let file: AnyJSON = [
            "type": "impersonated_service_account", "delegates": [],
            "service_account_impersonation_url": impersonationURL(key, account),
            "source_credentials": try await authorizedUser(key),
        ]
        let manager = try KeyRing.load(from: Environment(try key.settings(file))).primary
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("roles/iam.serviceAccountTokenCreator") == true)
    }

    @Test func aRevokedLoginIsReported() async throws {
        let key = try await GCPTestKey.create(on: try await GCPServer())
        var file = try await authorizedUser(key)
        file["refresh_token"] = "revoked"
        let manager = try KeyRing.load(from: Environment(try key.settings(file))).primary
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("run gcloud auth application-default login") == true)
    }
}
