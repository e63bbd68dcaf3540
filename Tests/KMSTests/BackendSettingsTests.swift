import Cryptography
import Envelope
import Foundation
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// Settings with white space around them, and files with byte-order marks.
struct BackendSettingsTests {
    @Test(arguments: ["\u{FEFF}KEY\r\n", "  KEY  ", "KEY", "KEY\n\n"])
    func trimsAMasterKeyInAFile(content: String) throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let key = Data((0..<32).map { UInt8($0) }).base64EncodedString()
        let text = content.replacingOccurrences(of: "KEY", with: key)
        let file = try folder.write("key", text)
        let expected = try LocalKeyManager.load(from: Environment(["SB_WRAP_MASTER_KEY": key]))[0].keyID
        #expect(
            try LocalKeyManager.load(from: Environment(["SB_WRAP_MASTER_KEY_FILE": file]))[0].keyID
                == expected)
        #expect(
            try LocalKeyManager.load(from: Environment(["SB_WRAP_MASTER_KEY": text]))[0].keyID == expected)
    }

    @Test func trimsEachMasterKeyOfAList() throws {
        let keys = (0..<3).map { byte in Data(repeating: UInt8(byte), count: 32).base64EncodedString() }
        let values = [
            "SB_WRAP_MASTER_KEY": keys[0], "SB_WRAP_MASTER_KEYS_PREVIOUS": " \(keys[1]), \(keys[2])\n,",
        ]
        #expect(try LocalKeyManager.load(from: Environment(values)).count == 3)
    }

    @Test func trimsEverySettingOfTheBackends() throws {
        func padded(_ values: [String: String]) -> Environment {
            Environment(values.mapValues { " \t\($0) \r\n" })
        }
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let vault = try VaultSettings.load(
            from: padded([
                "SB_KMS_VAULT_ADDR": "https://vault:8200/", "SB_KMS_VAULT_KEY": "sb-wrap",
                "SB_KMS_VAULT_MOUNT": "kms/",
                "SB_KMS_VAULT_NAMESPACE": "team-a/", "SB_KMS_VAULT_TOKEN": "s.token",
                "SB_KMS_VAULT_TLS_SERVER_NAME": "other",
                "SB_KMS_VAULT_SKIP_VERIFY": "false", "SB_KMS_VAULT_ALLOW_HTTP": "true",
            ]))
        #expect(vault.keyID == "vault-transit:team-a/kms/sb-wrap")
        #expect(vault.address.url == "https://vault:8200")
        #expect(vault.tls.serverName == "other")
        guard case .token(let token) = vault.authentication else {
            Issue.record("another login: \(vault.authentication)")
            return
        }
        #expect(token.text == "s.token")
        let commandLine = try VaultSettings.load(
            from: padded(["VAULT_ADDR": "https://vault:8200", "SB_KMS_VAULT_KEY": "k", "VAULT_TOKEN": "v"]))
        #expect(commandLine.address.url == "https://vault:8200")

        let config = try folder.write("config", "[profile dev]\nregion = eu-west-2\n")
        let values = [
            "SB_KMS_AWS_KEY_ID": "alias/a", "AWS_PROFILE": "dev", "AWS_CONFIG_FILE": config,
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "SB_KMS_AWS_MAX_RPS": "50", "AWS_ENDPOINT_URL_STS": "https://sts.example/",
        ]
        let profiles = try AWSProfiles.load(from: padded(values))
        let aws = try AWSSettings.load(from: padded(values), profile: profiles.activeSettings)
        #expect(aws.region.name == "eu-west-2")
        #expect(aws.requestsPerSecond == 50)
        #expect(aws.stsAddress.url == "https://sts.example")
        let ring = try KeyRing.load(from: padded(["SB_KMS_BACKEND": "aws-kms"].merging(values) { $1 }))
        #expect(ring.others.isEmpty)
    }

    /// The key managers have the only copies.
    @Test(arguments: ["local", "vault-transit"]) func forgetsTheVariablesOfMasterKeys(backend: String) throws
    {
        let forgotten = Locked<[String]>([])
        let environment = Environment(
            [
                "SB_KMS_BACKEND": backend,
                "SB_WRAP_MASTER_KEY": Base64.encode([UInt8](repeating: 7, count: 32)),
                "SB_KMS_VAULT_ADDR": "https://vault:8200", "SB_KMS_VAULT_KEY": "k", "SB_KMS_VAULT_TOKEN": "t",
            ], onForget: { names in forgotten.withLock { $0 += names } })
        _ = try KeyRing.load(from: environment)
        #expect(forgotten.withLock { $0 } == ["SB_WRAP_MASTER_KEY", "SB_WRAP_MASTER_KEYS_PREVIOUS"])
    }

    /// A user may accept plain http for one command.
    @Test(arguments: [
        (
            "SB_KMS_VAULT_ALLOW_HTTP",
            [
                "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": "http://vault:8200",
                "SB_KMS_VAULT_KEY": "k",
                "SB_KMS_VAULT_TOKEN": "t",
            ]
        ),
        (
            "SB_KMS_AWS_ALLOW_HTTP",
            [
                "SB_KMS_BACKEND": "aws-kms", "SB_KMS_AWS_KEY_ID": "alias/a", "SB_KMS_AWS_REGION": "eu-west-1",
                "SB_KMS_AWS_ENDPOINT": "http://kms:8080", "HOME": "/nonexistent",
            ]
        ),
    ])
    func limitsPlainHTTPInAControllerToDevelopment(variable: String, settings: [String: String]) throws {
        var values = settings.merging([variable: "true"]) { $1 }
        func load(_ mode: ProgramMode) throws(SettingError) {
            _ = try KeyRing.load(from: Environment(values), for: mode)
        }
        try load(.commandLine)
        let error = #expect(throws: SettingError.self) { try load(.controller) }
        #expect(error?.variable == variable)
        #expect(error?.problem.hasPrefix("is refused by the controller") == true)
        #expect(error?.problem.contains("SB_ENV=dev") == true)
        values["SB_ENV"] = "dev"
        try load(.controller)
        values["SB_ENV"] = "production"
        #expect(throws: SettingError.self) { try load(.controller) }
    }

    @Test(arguments: ["a\nb", "a\u{1B}[2Jb", String(repeating: "x", count: 10_000)])
    func quotesValuesOnOneLine(value: String) {
        for variable in ["SB_KMS_BACKEND", "SB_KMS_VAULT_AUTH", "SB_KMS_VAULT_CACERT", "SB_KMS_VAULT_CAPATH"]
        {
            let values = [
                "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": "https://vault:8200",
                "SB_KMS_VAULT_KEY": "k", "SB_KMS_VAULT_TOKEN": "t",
            ].merging([variable: value]) { $1 }
            let error = #expect(throws: SettingError.self) { try KeyRing.load(from: Environment(values)) }
            let message = error?.description ?? ""
            #expect(isOneLine(message), "\(message)")
            #expect(message.utf8.count < 2500)
        }
    }
}

/// Small files that hold tokens.
struct TokenFileTests {
    @Test(arguments: ["\u{FEFF}s.token\r\n", " s.token ", "\u{FEFF} s.token\u{A0}\n", "s.token"])
    func trimsATokenInAFile(content: String) async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let file = try folder.write("token", content)
        #expect(try VaultSecretFile.read(file, purpose: "the token").text == "s.token")
        #expect(try await VaultTokenFileSource(path: file).token().value.text == "s.token")
        #expect(try AWSWebIdentityCredentials.token(in: file, for: "web identity").text == "s.token")
    }

    @Test func readsDocumentsOfTheAWSSDKsWithAByteOrderMark() throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let json = #"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"}"#
        let document = AWSCredentialsDocument(SecretBytes(copying: Array("\u{FEFF}\(json)\r\n".utf8)))
        #expect(
            try document?.credentials(token: "SessionToken", needsExpiration: false, from: "x").accessKeyID
                == "A")
        let signOn = #"{"accessToken":"t","expiresAt":"2030-01-01T00:00:00Z"}"#
        let file = try folder.write("cache.json", "\u{FEFF}\(signOn)\n")
        #expect(AWSSSOToken(contentsOf: file)?.accessToken.text == "t")
    }
}
