import FoundationEssentials
import TestSupport
import Testing

@testable import Cryptography

/// Project Wycheproof's vectors for RSA-OAEP with SHA-256 (Tests/Vectors/wycheproof/README.md), and forms of keys.
struct RSAPrivateKeyTests {
    private struct File: Decodable {
        let numberOfTests: Int
        let testGroups: [Group]
    }

    private struct Group: Decodable {
        let privateKeyPkcs8, privateKeyPem: String
        let tests: [Case]
    }

    private struct Case: Decodable {
        enum Result: String, Decodable { case valid, invalid }

        let tcId: Int
        let msg, ct, label: String
        let result: Result
    }

    private let file: File

    init() throws {
        file = try JSONDecoder().decode(File.self, from: vectorFile("wycheproof/rsa_oaep_2048_sha256.json"))
    }

    private func opened(
        _ ciphertext: [UInt8], _ label: [UInt8], _ key: RSAPrivateKey
    ) throws(CryptoError) -> [UInt8] {
        try ciphertext.withBytes { bytes throws(CryptoError) in
            try key.decryptOAEP(bytes, label: label).revealed()
        }
    }

    private func key(_ der: [UInt8]) throws(RSAPrivateKey.ReadingError) -> RSAPrivateKey {
        try RSAPrivateKey(der: SecretBytes(copying: der))
    }

    @Test func decryptsOnlyValidCiphertexts() throws {
        var ran = 0
        for group in file.testGroups {
            let keys = [
                try key(bytes(hex: group.privateKeyPkcs8)), try key(pem(group.privateKeyPem)),
            ]
            for test in group.tests {
                for key in keys {
                    let ciphertext = try bytes(hex: test.ct)
                    let label = try bytes(hex: test.label)
                    switch test.result {
                    case .valid:
                        #expect(
                            try opened(ciphertext, label, key) == bytes(hex: test.msg), "test \(test.tcId)")
                        #expect(throws: CryptoError.authenticationFailed, "test \(test.tcId)") {
                            try opened(ciphertext, label + [0], key)
                        }
                    case .invalid:
                        #expect(throws: CryptoError.authenticationFailed, "test \(test.tcId)") {
                            try opened(ciphertext, label, key)
                        }
                    }
                    #expect(drainErrorStack() == [])
                }
                ran += 1
            }
        }
        #expect(ran == file.numberOfTests)
        #expect(ran > 30)
    }

    private func pem(_ text: String) throws -> [UInt8] {
        let blocks = try PEM.blocks(in: SecretBytes(copying: text.utf8))
        return try #require(blocks.first).contents.bytes.revealed()
    }

    @Test func rejectsBytesThatAreNotAPrivateKey() throws {
        let whole = try bytes(hex: #require(file.testGroups.first).privateKeyPkcs8)
        for der in [[], [0], Array(whole.dropLast()), whole + [0], Array("key".utf8)] {
            #expect(throws: RSAPrivateKey.ReadingError.notAPrivateKey, "\(der.count)") { try key(der) }
            #expect(drainErrorStack() == [])
        }
    }

    /// RFC 8410 10.3, and P-256 out of RFC 9500 2.3.
    @Test(arguments: [
        "302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
        """
        30770201010420e6cb5bdd80aa45ae9c95e8c15476679ffec953c16851e711e743939589c64fc1a00a06082a8648ce3d0301\
        07a14403420004422548f88fb782ffb5eca3744452c72a1e558fbd6f73be5e48e93232cc45c5b16c4cd10c4cb8d5b8a17139\
        e94882c8992572993425f41419ab7e90a42a494272
        """,
    ])
    func reportsKeysOfOtherAlgorithms(der: String) throws {
        #expect(throws: RSAPrivateKey.ReadingError.notRSA) { try key(bytes(hex: der)) }
    }

    @Test func zeroesDecryptedBytes() throws {
        let group = try #require(file.testGroups.first)
        let test = try #require(group.tests.first { $0.result == .valid && $0.msg.count > 16 })
        let key = try key(bytes(hex: group.privateKeyPkcs8))
        let ciphertext = try bytes(hex: test.ct)
        let label = try bytes(hex: test.label)
        let releases = ReleasedMemory.during { _ = try? opened(ciphertext, label, key) }
        // As large as the modulus, and as the message.
        for count in [256, test.msg.count / 2] {
            #expect(releases.contains(.init(count: count, isZero: true)), "\(releases)")
        }
    }
}

/// Signatures of Python's `cryptography` (Tests/Vectors/jwt).
struct RSASignatureTests {
    private struct File: Decodable {
        struct Signature: Decodable { let message, signature: Data }

        let pem: [String: String]
        let signatures: [Signature]
    }

    private let file: File

    init() throws {
        file = try JSONDecoder().decode(File.self, from: vectorFile("jwt/assertions.json"))
    }

    private func key(_ name: String) throws -> RSAPrivateKey {
        try RSAPrivateKey(pem: SecretBytes(copying: try #require(file.pem[name]).utf8))
    }

    @Test(arguments: ["pkcs8", "pkcs1"])
    func signsLikeTheVectors(form: String) throws {
        let key = try key(form)
        #expect(file.signatures.count == 4)
        for vector in file.signatures {
            let signature = try Array(vector.message).withUnsafeBytes { try key.signPKCS1SHA256($0) }
            #expect(signature == Array(vector.signature))
        }
    }

    @Test func rejectsAnEncryptedKey() {
        #expect(throws: RSAPrivateKey.ReadingError.notAPrivateKey) { try key("encrypted") }
    }

    @Test(arguments: ["", "no PEM", "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n"])
    func rejectsTextWithoutAKey(text: String) {
        #expect(throws: RSAPrivateKey.ReadingError.notAPrivateKey) {
            try RSAPrivateKey(pem: SecretBytes(copying: text.utf8))
        }
    }

    @Test func rejectsAKeyOfAnotherAlgorithm() {
        let text = "-----BEGIN EC PRIVATE KEY-----\nQUJD\n-----END EC PRIVATE KEY-----\n"
        #expect(throws: RSAPrivateKey.ReadingError.notRSA) {
            try RSAPrivateKey(pem: SecretBytes(copying: text.utf8))
        }
    }
}
