import Envelope
import Foundation
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// TLS with client certificates, against a real server, compared with OpenBao's own command line.
@Suite(.enabled(if: OpenBao.isAvailable), .serialized, .timeLimit(.minutes(5)))
struct VaultTLSServerTests {
    /// Returns the error of a request, or nil if it succeeds.
    private func failure(_ server: TLSOpenBao, _ variables: [String: String]) async throws -> String? {
        let values = [
            "SB_KMS_VAULT_ADDR": server.address, "SB_KMS_VAULT_KEY": "sb-wrap",
            "SB_KMS_VAULT_TOKEN": server.bao.root,
        ]
        let manager: TransitKeyManager
        do throws(SettingError) {
            manager = try TransitKeyManager.load(from: Environment(values.merging(variables) { $1 }))[0]
        } catch {
            return error.description
        }
        let binding = try binding()
        return await keyManagerError { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: binding)
        }?
        .message
    }

    @Test func acceptsTheVariablesThatTheCommandLineAccepts() async throws {
        let server = try await TLSOpenBao()
        try await server.bao.makeKey()
        let folder = server.folder
        let pem = try folder.read("ca.crt")
        try folder.write("cas/nested/ca.pem", pem)
        try folder.write("cas/README", "no PEM")
        try folder.write("strangers/ca.pem", try folder.read("stranger.crt"))
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        try folder.write("bundle.pem", damaged + pem)
        func path(_ name: String) -> String { folder.path(name) }
        let base = server.settings
        // Changes of settings that work; "" removes a variable.
        let cases: [[String: String]] = [
            [:], ["CACERT": ""], ["CACERT": path("stranger.crt")], ["CACERT": path("nothing.crt")],
            ["CACERT": path("bundle.pem")], ["CACERT": "", "CACERT_BYTES": pem],
            ["CACERT_BYTES": try folder.read("stranger.crt")],
            ["CACERT": path("stranger.crt"), "CACERT_BYTES": pem],
            ["CACERT": "", "CACERT_BYTES": "nonsense"],
            ["CACERT": "", "CAPATH": path("cas")], ["CAPATH": path("strangers")],
            ["CACERT": "", "CAPATH": path("strangers")],
            ["CACERT": path("stranger.crt"), "CAPATH": path("cas")],
            ["CACERT": "", "CAPATH": path("nothing")],
            ["CACERT": "", "CAPATH": path("cas"), "CACERT_BYTES": try folder.read("stranger.crt")],
            ["CACERT": "", "CAPATH": path("strangers"), "CACERT_BYTES": pem],
            ["TLS_SERVER_NAME": ""], ["TLS_SERVER_NAME": "other.internal"],
            ["CLIENT_CERT": "", "CLIENT_KEY": ""], ["CLIENT_CERT": ""], ["CLIENT_KEY": ""],
            ["CLIENT_CERT": path("foreign.crt"), "CLIENT_KEY": path("foreign.key")],
            ["CLIENT_CERT": path("client.crt"), "CLIENT_KEY": path("foreign.key")],
            ["SKIP_VERIFY": "true", "CACERT": "", "TLS_SERVER_NAME": ""],
            ["SKIP_VERIFY": "1", "CACERT": path("stranger.crt")],
            ["SKIP_VERIFY": "true", "CLIENT_CERT": "", "CLIENT_KEY": ""],
            ["SKIP_VERIFY": "false", "CACERT": ""],
            ["SKIP_VERIFY": "maybe"],
        ]
        var working = 0
        for (index, change) in cases.enumerated() {
            let values = base.merging(change) { $1 }.filter { !$0.value.isEmpty }
            func named(_ prefix: String) -> [String: String] {
                Dictionary(uniqueKeysWithValues: values.map { ("\(prefix)_\($0.key)", $0.value) })
            }
            let commandLine = try await server.commandLineWorks(named("BAO"))
            working += commandLine ? 1 : 0
            let prefix = ["BAO", "VAULT", "SB_KMS_VAULT"][index % 3]
            let failure = try await failure(server, named(prefix))
            #expect((failure == nil) == commandLine, "\(change): \(failure ?? "works")")
        }
        #expect((8...cases.count - 8).contains(working))
    }

    @Test func namesTheSettingThatSolvesATLSFailure() async throws {
        let server = try await TLSOpenBao()
        try await server.bao.makeKey()
        func message(_ change: [String: String]) async throws -> String {
            let values = server.settings.merging(change) { $1 }.filter { !$0.value.isEmpty }
            let named = values.map { ("SB_KMS_VAULT_\($0.key)", $0.value) }
            return try await failure(server, Dictionary(uniqueKeysWithValues: named)) ?? "works"
        }
        #expect(try await message(["CACERT": ""]).contains("set SB_KMS_VAULT_CACERT to the CA's PEM file"))
        let name = try await message(["TLS_SERVER_NAME": ""])
        #expect(name.contains("SB_KMS_VAULT_TLS_SERVER_NAME"), "\(name)")
        let certificate = try await message(["CLIENT_CERT": "", "CLIENT_KEY": ""])
        #expect(
            certificate.contains("SB_KMS_VAULT_CLIENT_CERT and SB_KMS_VAULT_CLIENT_KEY"), "\(certificate)")
    }

    /// cert-manager replaces a client certificate before it expires.
    @Test func usesAReplacedClientCertificate() async throws {
        let server = try await TLSOpenBao()
        try await server.bao.makeKey()
        let folder = server.folder
        try folder.write("tls.crt", try folder.read("foreign.crt"))
        try folder.write("tls.key", try folder.read("foreign.key"))
        let values = [
            "SB_KMS_VAULT_ADDR": server.address, "SB_KMS_VAULT_KEY": "sb-wrap",
            "SB_KMS_VAULT_TOKEN": server.bao.root,
            "SB_KMS_VAULT_CACERT": folder.path("ca.crt"), "SB_KMS_VAULT_TLS_SERVER_NAME": "vault.internal",
            "SB_KMS_VAULT_CLIENT_CERT": folder.path("tls.crt"),
            "SB_KMS_VAULT_CLIENT_KEY": folder.path("tls.key"),
        ]
        let manager = try TransitKeyManager.load(from: Environment(values))[0]
        let binding = try binding()
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: binding)
        }
        #expect(error != nil)
        try folder.write("tls.crt", try folder.read("client.crt"))
        try folder.write("tls.key", try folder.read("client.key"))
        _ = try await manager.generateDataKey(for: binding)
    }
}
