import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// The settings of TLS for Vault. VaultTLSServerTests compare them with the `bao` command line.
struct VaultTLSSettingsTests {
    private let folder: TemporaryFolder
    private let vectors = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Vectors/tls").standardizedFileURL.path

    init() throws { folder = try TemporaryFolder() }

    private func load(_ more: [String: String]) throws(SettingError) -> VaultSettings {
        let minimum = [
            "SB_KMS_VAULT_ADDR": "https://vault:8200", "SB_KMS_VAULT_KEY": "k", "SB_KMS_VAULT_TOKEN": "t",
        ]
        return try VaultSettings.load(from: Environment(minimum.merging(more) { $1 }))
    }

    private func refusal(_ more: [String: String]) -> SettingError? {
        do throws(SettingError) {
            _ = try load(more)
            return nil
        } catch {
            return error
        }
    }

    private func pem(_ name: String) throws -> String {
        try String(contentsOfFile: "\(vectors)/\(name)", encoding: .utf8)
    }

    /// Variables of secrets-bridge take precedence over those of bao, then of vault, and are not mixed with them.
    @Test func choosesTheVariable() throws {
        let (ca, other) = ("\(vectors)/ca.crt", "\(vectors)/other.crt")
        func file(_ more: [String: String]) throws -> String? {
            guard case .paths(let file, _) = try load(more).tls.trustedCAs else { return nil }
            return file?.variable
        }
        #expect(try file(["VAULT_CACERT": ca]) == "VAULT_CACERT")
        #expect(try file(["VAULT_CACERT": ca, "BAO_CACERT": other]) == "BAO_CACERT")
        let three = ["VAULT_CACERT": ca, "BAO_CACERT": ca, "SB_KMS_VAULT_CACERT": other]
        #expect(try file(three) == "SB_KMS_VAULT_CACERT")
        let bytes = try load(["SB_KMS_VAULT_CACERT_BYTES": try pem("ca.crt"), "VAULT_CACERT": other]).tls
            .trustedCAs
        #expect(
            bytes
                == .text(
                    .init(
                        value: try pem("ca.crt").trimmingCharacters(in: .whitespacesAndNewlines),
                        variable: "SB_KMS_VAULT_CACERT_BYTES")))
        #expect(try load(["BAO_TLS_SERVER_NAME": "Vault.Example"]).tls.serverName == "vault.example")
        #expect(
            try load(["SB_KMS_VAULT_TLS_SERVER_NAME": "a", "VAULT_TLS_SERVER_NAME": "b"]).tls.serverName
                == "a")
        let pair = try load([
            "VAULT_CLIENT_CERT": "\(vectors)/client.crt", "BAO_CLIENT_KEY": "\(vectors)/client.key",
        ])
        #expect(pair.tls.clientIdentity?.certificate.variable == "VAULT_CLIENT_CERT")
        #expect(pair.tls.clientIdentity?.key.variable == "BAO_CLIENT_KEY")
    }

    @Test func readsTheCAsOfAFolder() throws {
        try folder.write("cas/a.pem", try pem("ca.crt"))
        try folder.write("cas/below/b.pem", try pem("other.crt"))
        try folder.write("cas/README", "no PEM")
        try folder.write("mounted/..2026/ca.crt", try pem("ca.crt"))
        try folder.link("mounted/..data", to: "..2026")
        try folder.link("mounted/ca.crt", to: "..data/ca.crt")
        try folder.write("empty/README", "no PEM")
        func count(_ path: String) throws -> Int {
            let tls = try load(["VAULT_CAPATH": path]).tls
            guard case .pem(let bytes) = try tls.applied(to: HTTPClientConfiguration()).trust else {
                return 0
            }
            return try PEM.blocks(in: SecretBytes(copying: bytes)).count
        }
        #expect(try count(folder.path("cas")) == 2)
        #expect(try count(folder.path("cas/") + "/") == 2)
        #expect(try count(folder.path("mounted")) == 1)
        #expect(try count("\(vectors)/ca.crt") == 1)
        for (path, says) in [("empty", "holds no certificate"), ("nowhere", "missing")] {
            let error = refusal(["SB_KMS_VAULT_CAPATH": folder.path(path)])
            #expect(error?.variable == "SB_KMS_VAULT_CAPATH")
            #expect(error?.problem.contains(says) == true, "\(error?.problem ?? "")")
        }
    }

    @Test func skipsDamagedCertificatesInABundle() throws {
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        let bundle = try folder.write("bundle.pem", "\u{FEFF}" + damaged + pem("ca.crt"))
        guard
            case .pem(let bytes) = try load(["VAULT_CACERT": bundle]).tls.applied(
                to: HTTPClientConfiguration()
            ).trust
        else {
            Issue.record("the bundle is not used")
            return
        }
        #expect(try PEM.blocks(in: SecretBytes(copying: bytes)).count == 1)
    }

    @Test(arguments: [
        ("SB_KMS_VAULT_CACERT", "client.key", "holds no certificate"),
        ("SB_KMS_VAULT_CACERT", "missing", "cannot be read"),
    ])
    func rejectsAFileWithoutCertificates(variable: String, file: String, expected: String) {
        let error = refusal([variable: "\(vectors)/\(file)"])
        #expect(error?.variable == variable)
        #expect(error?.problem.contains(expected) == true, "\(error?.problem ?? "")")
    }

    @Test func rejectsBytesWithoutACertificate() {
        let error = refusal(["VAULT_CACERT_BYTES": "-----BEGIN NOTHING-----"])
        #expect(error?.variable == "VAULT_CACERT_BYTES")
        #expect(error?.problem.contains("BEGIN NOTHING") == false)
    }

    @Test(arguments: [
        ("client.crt", "client.encrypted.key", "SB_KMS_VAULT_CLIENT_KEY", "encrypted private key"),
        ("client.crt", "client.sec1.encrypted.key", "SB_KMS_VAULT_CLIENT_KEY", "encrypted private key"),
        ("rsa.crt", "rsa.encrypted.key", "SB_KMS_VAULT_CLIENT_KEY", "encrypted private key"),
        ("client.crt", "other.key", "SB_KMS_VAULT_CLIENT_KEY", "does not belong"),
        ("client.crt", "missing", "SB_KMS_VAULT_CLIENT_KEY", "cannot be read"),
        ("client.key", "client.key", "SB_KMS_VAULT_CLIENT_CERT", "no PEM certificate"),
        ("missing", "client.key", "SB_KMS_VAULT_CLIENT_CERT", "cannot be read"),
    ])
    func rejectsAnUnusableClientCertificate(
        certificate: String, key: String, variable: String, expected: String
    ) {
        let error = refusal([
            "SB_KMS_VAULT_CLIENT_CERT": "\(vectors)/\(certificate)",
            "SB_KMS_VAULT_CLIENT_KEY": "\(vectors)/\(key)",
        ])
        #expect(error?.variable == variable)
        #expect(error?.problem.contains(expected) == true, "\(error?.problem ?? "")")
    }

    @Test(arguments: [
        "SB_KMS_VAULT_CLIENT_CERT", "SB_KMS_VAULT_CLIENT_KEY", "VAULT_CLIENT_CERT", "BAO_CLIENT_KEY",
    ])
    func rejectsACertificateWithoutAKeyAndAKeyWithoutACertificate(variable: String) {
        #expect(refusal([variable: "\(vectors)/client.crt"])?.variable == variable)
    }

    @Test(arguments: ["https://vault", "vault:8200", "a b", "", ".."])
    func rejectsAnInvalidServerName(name: String) throws {
        #expect(
            refusal(["VAULT_TLS_SERVER_NAME": name])?.variable
                == (name.isEmpty ? nil : "VAULT_TLS_SERVER_NAME"))
    }

    /// The command lines use strconv.ParseBool.
    @Test(arguments: [
        ("1", true), ("t", true), ("TRUE", true), ("True", true), ("0", false), ("False", false),
    ])
    func parsesSkipVerify(value: String, expected: Bool) throws {
        #expect((try load(["VAULT_SKIP_VERIFY": value]).tls.verificationDisabledBy != nil) == expected)
        #expect(
            try load(["SB_KMS_VAULT_SKIP_VERIFY": "false", "VAULT_SKIP_VERIFY": value]).tls
                .verificationDisabledBy
                == nil)
        #expect(refusal(["VAULT_SKIP_VERIFY": "yes"])?.variable == "VAULT_SKIP_VERIFY")
    }

    /// A command warns; the controller starts in a development profile only.
    @Test(arguments: ["SB_KMS_VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY", "VAULT_SKIP_VERIFY"])
    func limitsUnverifiedServersToDevelopment(variable: String) throws {
        var values = [
            "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": "https://vault:8200",
            "SB_KMS_VAULT_KEY": "k",
            "SB_KMS_VAULT_TOKEN": "t", variable: "true",
        ]
        func load(_ mode: ProgramMode) throws(SettingError) -> [String] {
            let warnings = Locked<[String]>([])
            _ = try KeyRing.load(from: Environment(values), for: mode) { warning in
                warnings.withLock { $0.append(warning) }
            }
            return warnings.withLock { $0 }
        }
        let warnings = try load(.commandLine)
        #expect(warnings.count == 1)
        #expect(warnings.first?.hasPrefix("\(variable) turns off the verification") == true)
        let error = #expect(throws: SettingError.self) { try load(.controller) }
        #expect(error?.variable == variable)
        #expect(error?.problem.contains("SB_ENV=dev") == true)
        #expect(error?.problem.contains("SB_KMS_VAULT_CACERT") == true)
        values["SB_ENV"] = "dev"
        #expect(try load(.controller).count == 1)
        values["SB_ENV"] = "production"
        #expect(throws: SettingError.self) { try load(.controller) }
        values["SB_KMS_VAULT_ADDR"] = "http://127.0.0.1:8200"
        #expect(try load(.controller).isEmpty)
        values["SB_KMS_VAULT_ADDR"] = "https://vault:8200"
        values[variable] = "false"
        #expect(try load(.controller).isEmpty)
    }

    @Test(arguments: [
        ("auth/kubernetes", "kubernetes"), ("/auth/k8s/eu/", "k8s/eu"), ("k8s/", "k8s"), ("auth", "auth"),
        ("authentic/k8s", "authentic/k8s"), (" auth/jwt ", "jwt"), ("auth//k8s", "k8s"),
    ])
    func removesThePathOfTheAPIFromAnAuthMount(text: String, expected: String) throws {
        let settings = try load([
            "SB_KMS_VAULT_AUTH": "kubernetes", "SB_KMS_VAULT_ROLE": "r", "SB_KMS_VAULT_AUTH_MOUNT": text,
        ])
        guard case .login(_, let mount) = settings.authentication else {
            Issue.record("no login")
            return
        }
        #expect(mount == expected)
    }

    @Test func createsANewClientWhenTheFilesChange() async throws {
        let certificate = try folder.write("tls.crt", try pem("client.crt"))
        let key = try folder.write("tls.key", try pem("client.key"))
        let settings = TLSSettings(
            clientIdentity: .init(
                certificate: .init(value: certificate, variable: "C"), key: .init(value: key, variable: "K")))
        let certificates = Recorder<[UInt8]>()
        let transport = try ReloadingTransport(HTTPClientConfiguration(), settings) { configuration in
            certificates.append(configuration.clientCertificate?.chain ?? [])
            return FakeTransport { _ in .init(200, "") }
        }
        func send() async throws {
            _ = try await transport.send(HTTPClientRequest(url: "https://vault"), upTo: 1)
        }
        try await send()
        try await send()
        #expect(certificates.elements.count == 1)
        // A certificate without its key, in the middle of a replacement, is not used.
        try folder.write("tls.crt", try pem("other.crt"))
        try await send()
        #expect(certificates.elements.count == 1)
        try folder.write("tls.key", try pem("other.key"))
        try await send()
        #expect(certificates.elements.count == 2)
        #expect(certificates.elements.first != certificates.elements.last)
        try folder.remove("tls.key")
        try await send()
        #expect(certificates.elements.count == 2)
    }
}
