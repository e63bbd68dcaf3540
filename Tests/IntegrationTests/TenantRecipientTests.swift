import Cryptography
import Envelope
import Foundation
import Resources
import TestSupport
import Testing

extension TenantAttempts {
    /// Recipients and recipient files that the tenant has made up.
    @Suite struct TenantRecipientTests {
        struct Forgery: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let keyID: String
            var wrappedKey = String(repeating: "A", count: 80)
            var reason = Reason.noUsableRecipient
        }

        static let forgeries = [
            Forgery(
                testDescription: "a server of the tenant",
                keyID: "vault-transit:https://127.0.0.1:1/transit/k"),
            Forgery(testDescription: "a key of another backend", keyID: "vault-transit:transit/sb-wrap"),
            Forgery(
                testDescription: "a vault of the tenant",
                keyID: "azure-key-vault:https://evil.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef"),
            Forgery(
                testDescription: "an account of the tenant",
                keyID: "arn:aws:kms:eu-west-1:666677778888:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
            Forgery(testDescription: "an unknown backend", keyID: "exec:/bin/sh"),
            Forgery(
                testDescription: "another local key", keyID: "local:" + String(repeating: "0", count: 64)),
            Forgery(
                testDescription: "a path that leaves that of the key",
                keyID: "vault-transit:transit/../../sys/raw"),
        ]

        @Test(arguments: forgeries)
        func aForgedRecipientCausesNoRequest(_ forgery: Forgery) async throws {
            try await TenantStage.attempt { stage in
                let before = try await stage.controller.unwraps()
                var manifest = try await stage.tenant.wrap("forged")
                manifest.spec.recipients = [.init(keyID: forgery.keyID, wrappedKey: forgery.wrappedKey)]
                try await stage.tenant.expectBlocked(manifest, forgery.reason)
                #expect(try await stage.controller.unwraps() == before)
            }
        }

        @Test(arguments: [80, 8192])
        func aForgedDataKeyOpensNothing(length: Int) async throws {
            try await TenantStage.attempt { stage in
                var manifest = try await stage.tenant.wrap("forged")
                manifest.spec.recipients[0].wrappedKey = String(repeating: "A", count: length)
                try await stage.tenant.expectBlocked(manifest, .decryptFailed)
            }
        }

        /// The controller takes the recipient whose key it has, wherever it stands.
        @Test func recipientsOfOthersBesideItsOwnChangeNothing() async throws {
            try await TenantStage.attempt { stage in
                var manifest = try await stage.tenant.wrap("db", ["k": "own"])
                manifest.spec.recipients =
                    Self.forgeries.prefix(4).map { .init(keyID: $0.keyID, wrappedKey: $0.wrappedKey) }
                    + manifest.spec.recipients
                try await stage.tenant.apply(manifest)
                try await stage.tenant.namespace.reconciled("db")
                #expect(try await stage.tenant.namespace.secret("db")?.values == ["k": "own"])
            }
        }

        /// A tenant who can commit replaces the recipient file of the victim's users by one with a key of its own.
        @Test func aReplacedRecipientFileWrapsNothing() async throws {
            try await TenantStage.attempt { stage in
                let folder = try TemporaryFolder()
                let file = folder.path("key.yaml")
                func wrap(status: Int32) async throws -> Program.Outcome {
                    try await secretsBridge(
                        [
                            "wrap", "-n", stage.victims.namespace.name, "--recipient", file, "--name", "db",
                            "--from-literal", "k=canary",
                        ], ["HOME": folder.path, "XDG_CONFIG_HOME": folder.path("config")], status: status,
                        location: #_sourceLocation)
                }
                try folder.write("key.yaml", try recipientFile("rsa-3072"))
                _ = try await wrap(status: 0)
                try folder.write("key.yaml", try recipientFile("rsa-4096"))
                let refused = try await wrap(status: 1)
                #expect(refused.errors.contains("which differs from"), "\(refused.errors)")
                #expect(refused.output.isEmpty)
                // The right fingerprint beside a key of the tenant.
                let fingerprint = try key("rsa-3072").fingerprint
                try folder.write(
                    "key.yaml",
                    try recipientFile("rsa-4096").replacing(
                        try key("rsa-4096").fingerprint, with: fingerprint))
                let mismatch = try await wrap(status: 1)
                #expect(
                    mismatch.errors.contains("fingerprint is not that of publicKey"), "\(mismatch.errors)")
                #expect(mismatch.output.isEmpty)
            }
        }

        private func key(_ name: String) throws -> RecipientKey {
            let folder = "\(try Settings.required().repository)/Tests/Vectors/rsa"
            let pem = try String(contentsOfFile: "\(folder)/\(name).pub.pem", encoding: .utf8)
            return try RecipientKey(
                keyID: "vault-transit:transit/sb-offline", keyVersion: "1", publicKey: RSAPublicKey(pem: pem))
        }

        private func recipientFile(_ name: String) throws -> String {
            let key = try key(name)
            let pem = key.publicKey.pem.split(separator: "\n").map { "  \($0)\n" }.joined()
            return """
                version: 1
                keyID: "\(key.keyID)"
                keyVersion: "1"
                algorithm: RSA-OAEP-256
                fingerprint: \(key.fingerprint)
                publicKey: |
                \(pem)
                """
        }
    }
}
