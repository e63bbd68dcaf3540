import FoundationEssentials
import Testing

@testable import Cryptography

/// Project Wycheproof's AES-GCM vectors for 256-bit keys (Tests/Vectors/wycheproof/README.md).
struct WycheproofTests {
    private struct File: Decodable {
        let numberOfTests: Int
        let testGroups: [Group]
    }

    private struct Group: Decodable {
        let ivSize, keySize, tagSize: Int
        let tests: [Case]
    }

    private struct Case: Decodable {
        /// Decoding fails on any other result.
        enum Result: String, Decodable { case valid, invalid }

        let tcId: Int
        let key, iv, aad, msg, ct, tag: String
        let result: Result
    }

    /// libcrypto 3 accepts nonces of 1 to 128 bytes.
    private let longestNonce = 128

    @Test func aesGCM() throws {
        let file = try JSONDecoder().decode(File.self, from: vectorFile("wycheproof/aes_gcm_256.json"))
        var ran = 0
        for group in file.testGroups {
            #expect(group.keySize == 256)
            #expect(group.tagSize == 128)
            for test in group.tests {
                try run(test)
                ran += 1
            }
        }
        #expect(ran == file.numberOfTests)
        #expect(ran > 100)
    }

    private func run(_ test: Case) throws {
        let key = SecretBytes(copying: try bytes(hex: test.key))
        let plaintext = SecretBytes(copying: try bytes(hex: test.msg))
        let nonce = try bytes(hex: test.iv)
        let associatedData = try bytes(hex: test.aad)
        let sealed = try bytes(hex: test.ct) + bytes(hex: test.tag)

        let encrypted = try? AES256GCM.encrypt(
            plaintext, key: key, nonce: nonce, associatedData: associatedData)
        let decrypted = try? sealed.withBytes { sealed throws(CryptoError) in
            SharedSecret(
                try AES256GCM.decrypt(sealed, key: key, nonce: nonce, associatedData: associatedData))
        }
        switch test.result {
        case .valid where nonce.count > longestNonce:
            #expect(encrypted == nil, "test \(test.tcId)")
            #expect(decrypted == nil, "test \(test.tcId)")
        case .valid:
            #expect(encrypted == sealed, "test \(test.tcId)")
            #expect(decrypted?.bytes.equals(plaintext) == true, "test \(test.tcId)")
        case .invalid:
            #expect(encrypted != sealed, "test \(test.tcId)")
            #expect(decrypted == nil, "test \(test.tcId)")
        }
        guard nonce.count == AES256GCM.nonceLength else { return }
        let opened = try? SharedSecret(
            AES256GCM.open(nonce + sealed, key: key, associatedData: associatedData))
        #expect((opened != nil) == (test.result == .valid), "test \(test.tcId)")
    }
}
