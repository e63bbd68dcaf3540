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

    @Test func sendsTheTokenOfAUserToNoOtherServer() throws {
        let environment = ["VAULT_ADDR": "https://own:8200", "VAULT_TOKEN": "token"]
        let error = #expect(throws: KeyProviderSettingsError.self) {
            try key("vault-transit", vault, environment, mode: .commandLine)
        }
        #expect(
            error?.message.hasPrefix(
                "VAULT_ADDR is https://own:8200, and the provider's address is https://v:8200")
                == true)
        #expect(throws: Never.self) {
            try key(
                "vault-transit", vault, ["VAULT_ADDR": "https://v:8200/", "VAULT_TOKEN": "t"],
                mode: .commandLine)
        }
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

    @Test func usesTheUsersOwnTokenOnTheCommandLine() {
        #expect(throws: Never.self) {
            try key(
                "vault-transit", ["address": "https://v", "key": "k"], ["VAULT_TOKEN": "own"],
                mode: .commandLine)
        }
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
