import Cryptography
import Envelope
import Foundation
import Settings
import TestSupport
import Testing

@testable import KMS

/// RSA keys of Azure on loopback, which has been proved with the official clients.
@Suite(.enabled(if: AzureServer.isAvailable), .timeLimit(.minutes(5)))
struct AzurePublicKeyServerTests {
    private func manager(_ settings: [String: String]) throws -> any KeyManager {
        try KeyRing.load(from: Environment(settings)).primary
    }

    @Test(arguments: [3072, 4096])
    func unwrapsWhatThePublicKeyWrapped(bits: Int) async throws {
        let vault = try await AzureTestVault.create(bits: bits)
        let manager = try manager(vault.applicationSettings)
        let exported = try await manager.publicKey()
        #expect(exported.keyID == vault.keyID)
        #expect(exported.publicKey.byteCount == bits / 8)
        let wrapped = try await RecipientKeyManager(exported).generateDataKey(for: sampleBinding)
        #expect(try await manager.unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
    }

    @Test func theOfficialClientUnwrapsWhatThePublicKeyWrapped() async throws {
        let vault = try await AzureTestVault.create(isManagedHSM: true, keyType: "RSA-HSM", bits: 3072)
        let recipient = try await manager(vault.applicationSettings).publicKey().wrap(
            SharedSecret(copying: Array(0..<32)))
        let unwrapped = try await vault.python(
            "print(client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, base64.b64decode('\(recipient.wrappedKey)')).key.hex(), end='')"
        )
        #expect(unwrapped == hex(0..<32))
    }

    @Test func exportsTheNewestVersionOrTheConfiguredOne() async throws {
        let vault = try await AzureTestVault.create(bits: 3072)
        let new = try await vault.rotate()
        #expect(try await manager(vault.applicationSettings).publicKey().keyID == "azure-key-vault:\(new)")
        let settings = vault.applicationSettings.merging([
            "SB_KMS_AZURE_KEY_VERSION": String(vault.kid.suffix(32))
        ]) { $1 }
        #expect(try await manager(settings).publicKey().keyID == vault.keyID)
    }

    @Test func aPreviousKeyUnwrapsAndDoesNotWrap() async throws {
        let vault = try await AzureTestVault.create(bits: 3072)
        let kid = try await vault.server.command(
            "key", ["vault": .string(vault.name), "name": "sb-offline", "kty": "RSA", "size": 3072])["kid"]?
            .string
        let ring = try KeyRing.load(
            from: Environment(
                vault.applicationSettings.merging(["SB_KMS_AZURE_KEYS_PREVIOUS": "sb-offline"]) { $1 }))
        #expect(ring.all.count == 2)
        let wrapped = try await RecipientKeyManager(try await ring.all[1].publicKey()).generateDataKey(
            for: sampleBinding)
        #expect(wrapped.recipient.keyID == "azure-key-vault:\(kid ?? "")")
        let index = try #require(ring.keyIndex(for: wrapped.recipient))
        #expect(index == 1)
        #expect(ring.wrappingKeyIndex(for: index) == 0)
        #expect(try await ring.all[1].unwrap(wrapped.recipient, for: sampleBinding).key.equals(wrapped.key))
    }

    @Test func rejectsAForgedOrShortWrappedKey() async throws {
        let vault = try await AzureTestVault.create(bits: 3072)
        let manager = try manager(vault.applicationSettings)
        for count in [384, 256, 40] {
            let forged = Recipient(
                keyID: vault.keyID, wrappedKey: Base64.encode([UInt8](repeating: 7, count: count)),
                algorithm: "RSA-OAEP-256")
            let error = await keyManagerError { () throws(KeyManagerError) in
                try await manager.unwrap(forged, for: sampleBinding)
            }
            #expect(error?.code == .invalidCiphertext, "\(count)")
        }
    }

    @Test func exportsNoSmallAndNoSymmetricKeys() async throws {
        for vault in [
            try await AzureTestVault.create(), try await AzureTestVault.create(isManagedHSM: true),
        ] {
            let manager = try manager(vault.applicationSettings)
            let error = await keyManagerError { () throws(KeyManagerError) in try await manager.publicKey() }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains("3072 or 4096 bits") == true)
        }
    }

    @Test func aMissingPermissionToGetTheKeyIsNamed() async throws {
        let vault = try await AzureTestVault.create(operations: ["wrapKey", "unwrapKey"], bits: 3072)
        let manager = try manager(vault.applicationSettings)
        let error = await keyManagerError { () throws(KeyManagerError) in try await manager.publicKey() }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("keys/read") == true)
    }
}
