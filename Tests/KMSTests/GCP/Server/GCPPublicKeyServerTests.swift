import Cryptography
import Envelope
import Foundation
import Settings
import TestSupport
import Testing

@testable import KMS

/// Asymmetric keys of Google Cloud on loopback, which has been proved with the official client.
@Suite(.enabled(if: GCPServer.isAvailable), .serialized, .timeLimit(.minutes(5)))
struct GCPPublicKeyServerTests {
    private func key(_ algorithm: String = "RSA_DECRYPT_OAEP_3072_SHA256") async throws -> GCPTestKey {
        try await GCPTestKey.create(algorithm: algorithm)
    }

    /// Returns the settings of a service account with these roles, for a version of the key.
    private func settings(
        _ key: GCPTestKey, version: String = "1", _ roles: String...
    ) async throws -> [String: String] {
        let account = try await key.serviceAccount()
        for role in roles {
            try await key.grant(role, to: "serviceAccount:\(account["client_email"]?.string ?? "")")
        }
        return try key.settings(account).merging([
            "SB_KMS_GCP_KEY": "\(key.name)/cryptoKeyVersions/\(version)"
        ]) { $1 }
    }

    private func manager(_ settings: [String: String]) throws -> any KeyManager {
        try KeyRing.load(from: Environment(settings)).primary
    }

    private func unwrapFailure(_ manager: any KeyManager, _ recipient: Recipient) async -> KeyManagerError? {
        await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(recipient, for: sampleBinding)
        }
    }

    @Test(arguments: ["RSA_DECRYPT_OAEP_3072_SHA256", "RSA_DECRYPT_OAEP_4096_SHA256"])
    func unwrapsWhatThePublicKeyWrapped(algorithm: String) async throws {
        let key = try await key(algorithm)
        let manager = try manager(try await settings(key, "publicKeyViewer", "cryptoKeyDecrypter"))
        let exported = try await manager.publicKey()
        #expect(exported.keyID == "\(key.keyID)/cryptoKeyVersions/1")
        let wrapped = try await RecipientKeyManager(exported).generateDataKey(for: sampleBinding)
        let unwrapped = try await manager.unwrap(wrapped.recipient, for: sampleBinding)
        #expect(unwrapped.key.equals(wrapped.key))
        #expect(unwrapped.keyVersion == "1")
        #expect(await manager.diagnose() == .passed)
    }

    @Test func theOfficialClientDecryptsWhatThePublicKeyWrapped() async throws {
        let key = try await key()
        let exported = try await manager(try await settings(key, "publicKeyViewer")).publicKey()
        let recipient = try exported.wrap(SharedSecret(copying: Array(0..<32)))
        let decrypted = try await key.python(
            """
            request = {'name': name + '/cryptoKeyVersions/1', 'ciphertext': base64.b64decode('\(recipient.wrappedKey)')}
            print(client.asymmetric_decrypt(request=request).plaintext.hex(), end='')
            """, binding: [])
        #expect(decrypted == hex(0..<32))
    }

    @Test func unwrapsAllVersionsAndRewrapsForTheConfiguredOne() async throws {
        let key = try await key()
        let first = try manager(try await settings(key, "publicKeyViewer", "cryptoKeyDecrypter"))
        let wrapped = try await first.generateDataKey(for: sampleBinding)
        try await key.rotate()
        let second = try manager(
            try await settings(key, version: "2", "publicKeyViewer", "cryptoKeyDecrypter"))
        #expect(try await second.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
        let moved = try await second.rewrap(wrapped.recipient, for: sampleBinding)
        #expect(moved.keyID == "\(key.keyID)/cryptoKeyVersions/2")
        #expect(try await second.rewrap(moved, for: sampleBinding) == moved)
        #expect(try await first.unwrap(moved, for: sampleBinding).key.equals(wrapped.key))
    }

    @Test func aSymmetricKeyWithAPreviousAsymmetricOneUnwrapsBoth() async throws {
        let (symmetric, asymmetric) = (try await GCPTestKey.create(), try await key())
        let account = try await symmetric.serviceAccount("cryptoKeyEncrypterDecrypter")
        let member = "serviceAccount:\(account["client_email"]?.string ?? "")"
        for role in ["publicKeyViewer", "cryptoKeyDecrypter"] { try await asymmetric.grant(role, to: member) }
        let ring = try KeyRing.load(
            from: Environment(
                try symmetric.settings(account).merging([
                    "SB_KMS_GCP_KEYS_PREVIOUS": "\(asymmetric.name)/cryptoKeyVersions/1"
                ]) { $1 }))
        #expect(ring.all.map(\.keyID) == [symmetric.keyID, "\(asymmetric.keyID)/cryptoKeyVersions/1"])
        let wrapped = try await RecipientKeyManager(try await ring.all[1].publicKey()).generateDataKey(
            for: sampleBinding)
        let manager = try #require(ring.keyManager(for: wrapped.recipient))
        #expect(try await manager.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
    }

    @Test func rejectsForgedWrappedKeysAndOtherAlgorithms() async throws {
        let key = try await key()
        let manager = try manager(try await settings(key, "publicKeyViewer", "cryptoKeyDecrypter"))
        let good = try await manager.generateDataKey(for: sampleBinding).recipient
        for change: (inout Recipient) -> Void in [
            { $0.algorithm = nil }, { $0.wrappedKey = Base64.encode([UInt8](repeating: 7, count: 384)) },
            { $0.wrappedKey = String($0.wrappedKey.dropLast(4)) },
        ] {
            var forged = good
            change(&forged)
            #expect(await unwrapFailure(manager, forged)?.code == .invalidCiphertext)
        }
        var other = good
        other.keyID = "\(key.keyID)x/cryptoKeyVersions/1"
        #expect(await unwrapFailure(manager, other)?.code == .keyUnavailable)
    }

    @Test func aDisabledVersionIsUnavailable() async throws {
        let key = try await key()
        let manager = try manager(try await settings(key, "publicKeyViewer", "cryptoKeyDecrypter"))
        let wrapped = try await manager.generateDataKey(for: sampleBinding)
        try await key.setState("DISABLED", version: 1)
        #expect(await unwrapFailure(manager, wrapped.recipient)?.code == .keyUnavailable)
    }

    @Test func aChangedPublicKeyIsNoticed() async throws {
        let key = try await key()
        let manager = try manager(try await settings(key, "publicKeyViewer"))
        try await key.server.control(
            "corrupt", ["operation": "publicKey", "field": "pemCrc32c", "value": "1", "times": 0])
        let error = await keyManagerError { () throws(KeyManagerError) in try await manager.publicKey() }
        try await key.server.control("forget", [:])
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("CRC-32C") == true)
    }

    @Test func decryptingAloneSuffices() async throws {
        let manager = try manager(try await settings(try await key(), "cryptoKeyDecrypter"))
        guard case .unwrapsOnly = await manager.diagnose() else {
            Issue.record("the self-test: \(await manager.diagnose())")
            return
        }
        let error = await keyManagerError { () throws(KeyManagerError) in try await manager.publicKey() }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("roles/cloudkms.publicKeyViewer") == true)
    }

    @Test func exportsNeitherSymmetricNorSmallKeys() async throws {
        for key in [try await GCPTestKey.create(), try await key("RSA_DECRYPT_OAEP_2048_SHA256")] {
            let manager = try manager(try await settings(key, "publicKeyViewer"))
            let error = await keyManagerError { () throws(KeyManagerError) in try await manager.publicKey() }
            #expect(error?.code == .misconfigured)
        }
        let symmetric = try manager(try await GCPTestKey.create().allowedSettings())
        let error = await keyManagerError { () throws(KeyManagerError) in try await symmetric.publicKey() }
        #expect(error?.message.contains("symmetric") == true)
    }
}
