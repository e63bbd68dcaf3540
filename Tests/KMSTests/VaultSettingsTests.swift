import Envelope
import Foundation
import Settings
import TestSupport
import Testing

@testable import KMS

struct VaultSettingsTests {
    private static let minimum = [
        "SB_KMS_VAULT_ADDR": "https://vault:8200", "SB_KMS_VAULT_KEY": "sb-wrap", "SB_KMS_VAULT_TOKEN": "t",
    ]

    private func load(_ more: [String: String], without: String...) throws -> VaultSettings {
        var values = Self.minimum.merging(more) { $1 }
        for name in without { values[name] = nil }
        return try VaultSettings.load(from: Environment(values))
    }

    private func refusal(_ more: [String: String], without: String...) -> SettingError? {
        var values = Self.minimum.merging(more) { $1 }
        for name in without { values[name] = nil }
        do {
            _ = try VaultSettings.load(from: Environment(values))
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ([:], "vault-transit:transit/sb-wrap"),
        (["SB_KMS_VAULT_MOUNT": "/kms/transit/"], "vault-transit:kms/transit/sb-wrap"),
        (["SB_KMS_VAULT_NAME": "eu"], "vault-transit:eu:transit/sb-wrap"),
        (["SB_KMS_VAULT_NAMESPACE": "a/b/"], "vault-transit:a/b/transit/sb-wrap"),
        (["SB_KMS_VAULT_NAMESPACE": "a", "SB_KMS_VAULT_NAME": "eu"], "vault-transit:eu:a/transit/sb-wrap"),
        (["VAULT_NAMESPACE": "b"], "vault-transit:b/transit/sb-wrap"),
        (["BAO_NAMESPACE": "c", "VAULT_NAMESPACE": "b"], "vault-transit:c/transit/sb-wrap"),
    ])
    func composesTheKeyID(more: [String: String], expected: String) throws {
        #expect(try load(more).keyID == expected)
    }

    @Test(arguments: [
        ("https://h/v1", "https://h"), ("https://h/v1/", "https://h"),
        ("https://h:8200/ui/", "https://h:8200"),
        ("https://h/vault/v1", "https://h/vault"), ("https://h/dev1", "https://h/dev1"),
        ("https://v1", "https://v1"), ("https://ui/", "https://ui"),
    ])
    func removesThePathOfTheAPIFromAnAddress(text: String, url: String) throws {
        #expect(try load(["SB_KMS_VAULT_ADDR": text]).address.url == url)
    }

    @Test(arguments: [
        ("v1/auth/kubernetes", "kubernetes"), ("auth/kubernetes/login", "kubernetes"),
        ("/auth/k/eu/", "k/eu"),
        ("kubernetes/login", "kubernetes"), ("login", "login"), ("auth/auth", "auth"), ("v1/k", "v1/k"),
        ("auth/", nil), ("v1/auth/", nil), ("auth", "auth"),
    ])
    func removesThePathOfTheAPIFromAMount(text: String, mount: String?) throws {
        let values = [
            "SB_KMS_VAULT_AUTH": "kubernetes", "SB_KMS_VAULT_ROLE": "r", "SB_KMS_VAULT_AUTH_MOUNT": text,
        ]
        guard let mount else {
            #expect(refusal(values)?.variable == "SB_KMS_VAULT_AUTH_MOUNT")
            return
        }
        guard case .login(_, let found) = try load(values).authentication else {
            Issue.record("no login")
            return
        }
        #expect(found == mount)
    }

    /// A user set the secret itself in place of the path of its file.
    @Test(arguments: ["hunter2", "hvs.CAESIhunter2", "eyJhbGciOi.eyJzdWIiOi.hunter2"])
    func doesNotQuoteASecretInPlaceOfAPath(secret: String) async throws {
        func line(_ body: () async throws -> Void) async -> String {
            do { try await body() } catch { return "\(error)" }
            return ""
        }
        var lines: [String: String] = [:]
        for name in [
            "SB_KMS_VAULT_CLIENT_KEY", "SB_KMS_VAULT_CLIENT_CERT", "SB_KMS_VAULT_CACERT",
            "SB_KMS_VAULT_CAPATH",
        ] {
            var values = [name: secret]
            if name == "SB_KMS_VAULT_CLIENT_KEY" { values["SB_KMS_VAULT_CLIENT_CERT"] = "/dev/null" }
            if name == "SB_KMS_VAULT_CLIENT_CERT" { values["SB_KMS_VAULT_CLIENT_KEY"] = secret }
            lines[name] = refusal(values)?.description ?? ""
        }
        lines["SB_WRAP_MASTER_KEY_FILE"] = await line {
            _ = try LocalKeyManager.load(from: Environment(["SB_WRAP_MASTER_KEY_FILE": secret]))
        }
        lines["SB_KMS_VAULT_TOKEN_FILE"] = await line {
            _ = try VaultSecretFile.read(
                secret, purpose: "the Vault token", variable: "SB_KMS_VAULT_TOKEN_FILE")
        }
        lines["AWS_WEB_IDENTITY_TOKEN_FILE"] = await line {
            _ = try AWSWebIdentityCredentials.token(in: secret, for: "web identity")
        }
        for (name, line) in lines {
            #expect(line.contains(name), "\(line)")
            #expect(!line.contains("hunter2"), "\(line)")
        }
    }

    @Test(arguments: [
        ("", []), ("old", ["vault-transit:eu:a/transit/old"]),
        (
            " old, /transit/old/2025/ ",
            ["vault-transit:eu:a/transit/old", "vault-transit:eu:a/transit/old/2025"]
        ),
        ("kms/sb-wrap", ["vault-transit:eu:a/kms/sb-wrap"]),
    ])
    func loadsPreviousKeysOfTheSameVault(list: String, expected: [String]) throws {
        let values = Self.minimum.merging([
            "SB_KMS_VAULT_NAMESPACE": "a", "SB_KMS_VAULT_NAME": "eu", "SB_KMS_VAULT_KEYS_PREVIOUS": list,
        ]) { $1 }
        let ring = try KeyRing.load(
            from: Environment(values.merging(["SB_KMS_BACKEND": "vault-transit"]) { $1 }))
        #expect(ring.primary.keyID == "vault-transit:eu:a/transit/sb-wrap")
        #expect(ring.others.map(\.keyID) == expected)
    }

    @Test(arguments: [
        ("..", "<mount>/<key>"), ("a//b", "<mount>/<key>"), ("a%2f", "<mount>/<key>"),
        ("a;b", "<mount>/<key>"), ("ol d", "<mount>/<key>"),
        ("sb-wrap", "current key"), ("old,transit/sb-wrap", "current key"), ("old,transit/old", "twice"),
        ((0..<3).map { "\($0)" + String(repeating: "m", count: 80) }.joined(separator: "/"), "at most 512"),
    ])
    func rejectsInvalidPreviousKeys(list: String, expected: String) throws {
        var values = Self.minimum
        values["SB_KMS_VAULT_KEYS_PREVIOUS"] = list
        values["SB_KMS_VAULT_NAMESPACE"] = (0..<3).map { "\($0)" + String(repeating: "n", count: 83) }
            .joined(separator: "/")
        let error = #expect(throws: SettingError.self) {
            try TransitKeyManager.load(from: Environment(values))
        }
        #expect(error?.variable == "SB_KMS_VAULT_KEYS_PREVIOUS")
        #expect(error?.problem.contains(expected) == true, "\(error?.problem ?? "")")
    }

    /// Names are put into URLs and key ids: no character may need escaping or change the path.
    @Test(arguments: [
        ("SB_KMS_VAULT_KEY", "a/b"), ("SB_KMS_VAULT_KEY", ".."), ("SB_KMS_VAULT_KEY", "a?b"),
        ("SB_KMS_VAULT_KEY", "a%2f"), ("SB_KMS_VAULT_KEY", "schlüssel"), ("SB_KMS_VAULT_MOUNT", "a//b"),
        ("SB_KMS_VAULT_MOUNT", "a/../b"), ("SB_KMS_VAULT_MOUNT", "/"), ("SB_KMS_VAULT_MOUNT", "a b"),
        ("SB_KMS_VAULT_NAMESPACE", "a\r\nX: y"), ("SB_KMS_VAULT_NAME", "a:b"), ("SB_KMS_VAULT_NAME", "a/b"),
        ("SB_KMS_VAULT_ADDR", "vault:8200"), ("SB_KMS_VAULT_ADDR", "https://"),
        ("SB_KMS_VAULT_ADDR", "https://u:p@vault"), ("SB_KMS_VAULT_ADDR", "https://vault:8200?x"),
        ("SB_KMS_VAULT_ADDR", "https://vault:99999"), ("SB_KMS_VAULT_ADDR", "https://vault:"),
        ("SB_KMS_VAULT_ADDR", "https://vault/../x"), ("SB_KMS_VAULT_ADDR", "ftp://vault"),
        ("SB_KMS_VAULT_ADDR", "http://vault.vault:8200"), ("SB_KMS_VAULT_ADDR", "http://127.0.0.1.evil"),
        ("SB_KMS_VAULT_CACERT", "/does/not/exist"), ("SB_KMS_VAULT_CACERT", "/dev/null"),
        ("SB_KMS_VAULT_AUTH", "ldap"), ("SB_KMS_VAULT_ALLOW_HTTP", "yes"),
        ("SB_KMS_VAULT_TOKEN_FILE", "/tmp/x"),
    ])
    func rejectsAnInvalidValueAndNamesItsVariable(variable: String, value: String) {
        let error = refusal([variable: value])
        let named = variable == "SB_KMS_VAULT_TOKEN_FILE" ? "SB_KMS_VAULT_TOKEN" : variable
        #expect(error?.variable == named)
    }

    @Test func namesAMissingSettingWithAnExample() {
        #expect(
            refusal([:], without: "SB_KMS_VAULT_ADDR")?.description
                == "SB_KMS_VAULT_ADDR is not set; the vault-transit backend needs the URL of Vault or OpenBao, "
                + "for example: export SB_KMS_VAULT_ADDR=https://vault.example.com:8200")
        #expect(refusal([:], without: "SB_KMS_VAULT_KEY")?.problem.contains("sb-wrap") == true)
        #expect(refusal([:], without: "SB_KMS_VAULT_TOKEN")?.variable == "SB_KMS_VAULT_ROLE")
        #expect(
            refusal(["SB_KMS_VAULT_AUTH": "kubernetes"])?.variable == "SB_KMS_VAULT_ROLE")
        #expect(refusal(["SB_KMS_VAULT_AUTH": "approle"])?.variable == "SB_KMS_VAULT_ROLE_ID")
        #expect(
            refusal(["SB_KMS_VAULT_AUTH": "token"], without: "SB_KMS_VAULT_TOKEN")?.variable
                == "SB_KMS_VAULT_TOKEN")
    }

    /// An error in a variable of the command lines names that variable.
    @Test func fallsBackToTheVariablesOfTheCommandLines() throws {
        let settings = try load(["VAULT_ADDR": "https://other:1/vault/"], without: "SB_KMS_VAULT_ADDR")
        #expect(settings.address.url == "https://other:1/vault")
        #expect(refusal(["VAULT_ADDR": "x"], without: "SB_KMS_VAULT_ADDR")?.variable == "VAULT_ADDR")
        #expect(try load(["VAULT_ADDR": "https://other:1"]).address.url == "https://vault:8200")
    }

    @Test(arguments: ["http://127.0.0.1:8200", "http://localhost", "http://[::1]:8200", "HTTP://localhost"])
    func allowsPlainHTTPOnLoopback(url: String) throws {
        #expect(try load(["SB_KMS_VAULT_ADDR": url]).address.isPlainHTTP)
    }

    @Test func allowsPlainHTTPElsewhereIfConfigured() throws {
        let settings = try load([
            "SB_KMS_VAULT_ADDR": "http://vault.vault:8200", "SB_KMS_VAULT_ALLOW_HTTP": "true",
        ])
        #expect(settings.address.origin == "http://vault.vault:8200")
    }

    @Test func choosesTheAuthMethod() throws {
        let noToken = "SB_KMS_VAULT_TOKEN"
        func name(_ more: [String: String], without: String = "none") throws -> String {
            switch try load(more, without: without).authentication {
            case .token(let token): "token \(token.text)"
            case .tokenFile(let path): "file \(path)"
            case .login(.kubernetes, let mount): "kubernetes at \(mount)"
            case .login(.jwt, let mount): "jwt at \(mount)"
            case .login(.appRole, let mount): "approle at \(mount)"
            }
        }
        #expect(try name([:]) == "token t")
        #expect(try name(["SB_KMS_VAULT_ROLE": "r"]) == "token t")
        #expect(
            try name(["SB_KMS_VAULT_ROLE": "r", "VAULT_TOKEN": "v"], without: noToken)
                == "kubernetes at kubernetes")
        #expect(try name(["VAULT_TOKEN": "v"], without: noToken) == "token v")
        #expect(try name(["VAULT_TOKEN": "v", "BAO_TOKEN": "b"], without: noToken) == "token b")
        #expect(try name(["SB_KMS_VAULT_TOKEN_FILE": "/f"], without: noToken) == "file /f")
        #expect(
            try name(
                [
                    "SB_KMS_VAULT_AUTH": "kubernetes", "SB_KMS_VAULT_ROLE": "r",
                    "SB_KMS_VAULT_AUTH_MOUNT": "k/eu",
                ])
                == "kubernetes at k/eu")
        #expect(try name(["SB_KMS_VAULT_AUTH": "jwt"]) == "jwt at jwt")
        #expect(
            try name(["SB_KMS_VAULT_AUTH": "approle", "SB_KMS_VAULT_ROLE_ID": "r"]) == "approle at approle")
        let home = try TemporaryFolder()
        let file = try home.write(".vault-token", "h")
        #expect(try name(["HOME": home.path], without: noToken) == "file \(file)")
        withExtendedLifetime(home) {}
    }

    @Test func choosesTheFileOfTheJWT() throws {
        func file(_ more: [String: String]) throws -> String? {
            switch try load(more).authentication {
            case .login(.kubernetes(_, let token), _), .login(.jwt(_, let token), _):
                (token as? IdentityTokenFile)?.path
            default: nil
            }
        }
        let kubernetes = ["SB_KMS_VAULT_AUTH": "kubernetes", "SB_KMS_VAULT_ROLE": "r"]
        #expect(try file(kubernetes) == "/var/run/secrets/kubernetes.io/serviceaccount/token")
        #expect(try file(kubernetes.merging(["SB_KMS_VAULT_SA_TOKEN_FILE": "/t"]) { $1 }) == "/t")
        #expect(try file(["SB_KMS_VAULT_AUTH": "jwt", "SB_KMS_VAULT_JWT_FILE": "/j"]) == "/j")
    }

    @Test(arguments: [
        ("vault:v1:AAAA", "1"), ("vault:v12:8SDd3WHDOjf7mq69", "12"), ("vault:v0:AAAA", nil),
        ("vault:v01:AAAA", nil),
        ("vault:v:AAAA", nil), ("vault:v1:", nil), ("vault:v1:AAA", nil), ("vault:v1:AA==", "1"),
        ("vault:v1:AB==", nil), ("vault:v1:AAAA\n", nil), ("vault:v1:AAAA:x", nil), ("bao:v1:AAAA", nil),
        ("vault:v1", nil), ("", nil), ("vault:v9999999999:AAAA", nil), ("vault:v１:AAAA", nil),
    ])
    func parsesCiphertexts(text: String, version: String?) {
        #expect(TransitCiphertext(text)?.version == version)
    }
}
