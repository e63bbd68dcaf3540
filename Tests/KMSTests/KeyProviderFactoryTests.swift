import Cryptography
import Envelope
import Settings
import Testing

@testable import KMS

struct KeyProviderFactoryTests {
    private struct Identity: IdentityTokenSource {
        let name = "the token of service account payments/reader"
        func token() async throws(IdentityTokenError) -> SharedSecret { SharedSecret(copying: "jwt".utf8) }
    }

    private func key(
        _ backend: String, _ values: [String: String], _ environment: [String: String] = [:],
        mode: ProgramMode = .controller, identity: (any IdentityTokenSource)? = nil
    ) throws(KeyProviderSettingsError) -> any KeyManager {
        try KeyProviderFactory(from: Environment(environment), for: mode).keyManager(
            for: KeyProviderSettings(backend: backend, values: values), identity: identity)
    }

    private func message(
        _ backend: String, _ values: [String: String], _ environment: [String: String] = [:],
        identity: (any IdentityTokenSource)? = nil
    ) -> String? {
        do throws(KeyProviderSettingsError) {
            _ = try key(backend, values, environment, identity: identity)
            return nil
        } catch {
            return error.message
        }
    }

    private let vault = ["address": "https://v:8200", "key": "k", "role": "r"]

    @Test func usesNoSettingOfTheProcess() throws {
        let environment = [
            "SB_KMS_VAULT_ADDR": "https://own", "SB_KMS_VAULT_NAMESPACE": "own", "VAULT_ADDR": "https://own",
            "SB_KMS_VAULT_KEY": "own", "SB_KMS_VAULT_NAME": "own", "SB_KMS_VAULT_TOKEN": "token",
        ]
        #expect(try key("vault-transit", vault, environment).keyID == "vault-transit:transit/k")
        let aws = ["keyID": "alias/a", "region": "eu-west-1"]
        let own = ["SB_KMS_AWS_KEY_ID": "alias/own", "AWS_REGION": "us-east-1", "HOME": "/nonexistent"]
        #expect(try key("aws-kms", aws, own).keyID == "arn:aws:kms:eu-west-1::alias/a")
    }

    /// The provider of a file, or of a cluster, that the user does not trust.
    struct UsersServers: Sendable, CustomTestStringConvertible {
        let backend: String
        let provider: [String: String]
        var user: [String: String] = [:]
        /// The beginning of the error, or nil if the user's credentials may be sent there.
        var refusal: String?

        var testDescription: String { "\(backend) \(provider.values.sorted()) \(user.values.sorted())" }
    }

    private static let gcpKey = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

    private static func vault(_ user: [String: String], _ refusal: String? = nil) -> UsersServers {
        UsersServers(
            backend: "vault-transit", provider: ["address": "https://v:8200", "key": "k"],
            user: user.merging(["VAULT_TOKEN": "own"]) { $1 }, refusal: refusal)
    }

    private static func gcp(
        _ fields: [String: String], _ user: [String: String] = [:], _ refusal: String? = nil
    ) -> UsersServers {
        UsersServers(
            backend: "gcp-kms", provider: fields.merging(["key": gcpKey]) { $1 },
            user: user.merging(["HOME": "/nonexistent"]) { $1 }, refusal: refusal)
    }

    private static func azure(
        _ authority: String, _ user: [String: String] = [:], _ refusal: String? = nil
    ) -> UsersServers {
        UsersServers(
            backend: "azure-key-vault",
            provider: ["vaultURL": azureVault, "key": "sb-wrap", "authorityHost": authority], user: user,
            refusal: refusal)
    }

    static let usersServers = [
        vault([:], "VAULT_ADDR is not set, and the provider's address is https://v:8200; set VAULT_ADDR"),
        vault(
            ["VAULT_ADDR": "https://own:8200"],
            "VAULT_ADDR is https://own:8200, and the provider's address is"),
        vault(["SB_KMS_VAULT_ADDR": "https://own"], "SB_KMS_VAULT_ADDR is https://own, and the provider's"),
        vault(["VAULT_ADDR": "https://v:8200/"]), vault(["SB_KMS_VAULT_ADDR": "https://v:8200"]),
        gcp([:]), gcp(["endpoint": "https://cloudkms.europe-west3.rep.googleapis.com"]),
        gcp(
            ["endpoint": "https://kms.example.com"], [:],
            "SB_KMS_GCP_ENDPOINT is not set, and the provider's endpoint is https://kms.example.com"),
        gcp(["endpoint": "https://googleapis.com.example.com"], [:], "SB_KMS_GCP_ENDPOINT is not set"),
        gcp(["endpoint": "https://evilgoogleapis.com"], [:], "SB_KMS_GCP_ENDPOINT is not set"),
        gcp(["endpoint": "https://cloudkms.googleapis.com:8443"], [:], "SB_KMS_GCP_ENDPOINT is not set"),
        gcp(["endpoint": "http://127.0.0.1:9999"], [:], "SB_KMS_GCP_ENDPOINT is not set"),
        gcp(
            ["endpoint": "https://kms.example.com"], ["SB_KMS_GCP_ENDPOINT": "https://other.example.com"],
            "SB_KMS_GCP_ENDPOINT is https://other.example.com"),
        gcp(["endpoint": "https://kms.example.com"], ["SB_KMS_GCP_ENDPOINT": "https://kms.example.com/"]),
        gcp(
            ["universeDomain": "example.com"], [:],
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN is not set, and the provider's universeDomain is example.com"),
        gcp(["universeDomain": "example.com"], ["GOOGLE_CLOUD_UNIVERSE_DOMAIN": "example.com"]),
        azure("https://login.microsoftonline.us"), azure("login.chinacloudapi.cn"),
        azure(
            "https://login.example.com", [:],
            "AZURE_AUTHORITY_HOST is not set, and the provider's authorityHost is https://login.example.com"),
        azure("https://login.example.com", ["AZURE_AUTHORITY_HOST": "login.example.com"]),
    ]

    @Test(arguments: usersServers)
    func sendsTheCredentialsOfAUserToNoServerThatTheProviderAloneNames(_ servers: UsersServers) throws {
        do throws(KeyProviderSettingsError) {
            _ = try key(servers.backend, servers.provider, servers.user, mode: .commandLine)
            #expect(servers.refusal == nil)
        } catch {
            let refusal = try #require(servers.refusal, "\(error.message)")
            #expect(error.message.hasPrefix(refusal), "\(error.message)")
            #expect(error.message.hasSuffix("if your credentials may be sent there"))
        }
    }

    /// An operator of the cluster creates ClusterKeyProviders, and their servers get the token of the controller.
    @Test(arguments: usersServers.filter { $0.backend != "vault-transit" })
    func aControllerUsesTheServersOfAProvider(_ servers: UsersServers) {
        #expect(throws: Never.self) { try key(servers.backend, servers.provider, ["HOME": "/nonexistent"]) }
    }

    /// A web identity works at any STS that gets it.
    @Test func usesTheSTSOfTheUserForTheCredentialsOfTheUser() throws {
        let provider = ProviderEnvironment(
            settings: Environment([
                "SB_KMS_AWS_KEY_ID": "alias/a", "SB_KMS_AWS_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL_STS": "https://sts.example.com",
            ]))
        func server(
            _ own: [String: String], _ mode: ProgramMode, identity: (any IdentityTokenSource)? = nil
        ) throws -> String? {
            var context = KMSBackendContext(environment: Environment(own), mode: mode)
            context.identity = identity
            return try AWSBackend.environment(provider, context).value("AWS_ENDPOINT_URL_STS")
        }
        #expect(try server([:], .controller) == "https://sts.example.com")
        #expect(try server([:], .commandLine, identity: Identity()) == "https://sts.example.com")
        #expect(try server([:], .commandLine) == nil)
        #expect(try server(["AWS_ENDPOINT_URL": "https://own"], .commandLine) == "https://own")
        #expect(try server(["AWS_ENDPOINT_URL_STS": "https://sts.own"], .commandLine) == "https://sts.own")
    }

    @Test func namesTheFieldInsteadOfTheVariable() {
        let message = message("vault-transit", vault.merging(["address": "http://v"]) { $1 })
        #expect(message?.hasPrefix("the provider's field address is plain http to another machine") == true)
        let missing = self.message("vault-transit", ["address": "https://v", "key": "k"])
        #expect(missing?.hasPrefix("the provider's field role is not set") == true)
    }

    @Test func logsInWithTheIdentityOfTheTenantEvenIfTheProcessHasAToken() throws {
        let environment = ["SB_KMS_VAULT_TOKEN": "token"]
        #expect(throws: Never.self) {
            try key("vault-transit", vault, environment, identity: Identity())
        }
        let missing = message(
            "vault-transit", ["address": "https://v", "key": "k"], environment, identity: Identity())
        #expect(missing?.hasPrefix("the provider's field role is not set") == true)
    }

    @Test func lendsTheTokenOfTheProcessToNoProviderInAController() {
        let missing = message(
            "vault-transit", ["address": "https://v", "key": "k"], ["SB_KMS_VAULT_TOKEN": "token"])
        #expect(missing?.hasPrefix("the provider's field role is not set") == true)
    }

    @Test func needsARoleForAServiceAccountInAWS() {
        let aws = ["keyID": "arn:aws:kms:eu-west-1:123456789012:alias/a"]
        let message = message("aws-kms", aws, identity: Identity())
        #expect(message?.hasPrefix("the provider's field roleARN is not set") == true)
        let unknown = self.message("aws-kms", ["keyID": "alias/a"])
        #expect(unknown?.hasPrefix("the provider's field region is not set") == true)
    }

    @Test func rejectsFieldsAndBackendsThatDoNotExist() {
        #expect(message("vault-transit", ["token": "x"])?.contains("no field token") == true)
        #expect(message("local", [:])?.contains("local is not supported") == true)
    }
}
