import Foundation
import TestSupport
import Testing

@testable import Cryptography

struct RSAPublicKeyTests {
    private func key(_ name: String) throws -> (pem: String, privatePEM: String) {
        (try vector("\(name).pub.pem"), try vector("\(name).pem"))
    }

    private func vector(_ name: String) throws -> String {
        String(
            decoding: try Data(contentsOf: Python.repository.appending(path: "Tests/Vectors/rsa/\(name)")),
            as: UTF8.self)
    }

    @Test(arguments: ["rsa-3072", "rsa-4096"])
    func thePrivateKeyDecryptsWhatThePublicKeyEncrypts(name: String) throws {
        let (pem, privatePEM) = try key(name)
        let publicKey = try RSAPublicKey(pem: pem)
        let plaintext = [UInt8](0..<32)
        let ciphertext = try publicKey.encryptOAEP(SecretBytes(copying: plaintext))
        #expect(ciphertext.count == publicKey.byteCount)
        let privateKey = try RSAPrivateKey(pem: SecretBytes(copying: Array(privatePEM.utf8)))
        let decrypted = try ciphertext.withBytes { bytes throws(CryptoError) in
            try privateKey.decryptOAEP(bytes, label: [])
        }
        #expect(decrypted.withUnsafeBytes { Array($0) } == plaintext)
    }

    @Test func thePEMIsThatOfOpenSSL() throws {
        let pem = try key("rsa-3072").pem
        #expect(try RSAPublicKey(pem: pem).pem == pem)
    }

    @Test func theFingerprintIsTheSHA256OfTheDER() throws {
        let publicKey = try RSAPublicKey(pem: try key("rsa-3072").pem)
        #expect(try publicKey.fingerprint() == "sha256:" + hex(sha256(publicKey.der)))
        #expect(
            try publicKey.fingerprint() == vector("rsa-3072.fingerprint").trimmingCharacters(in: .newlines))
    }

    @Test func aModulusAndAnExponentMakeTheSameKey() throws {
        let publicKey = try RSAPublicKey(pem: try key("rsa-3072").pem)
        // The modulus is the INTEGER of 385 bytes after the headers of the DER, with a leading zero.
        let start = try #require(publicKey.der.firstRange(of: [0x02, 0x82, 0x01, 0x81, 0x00])?.upperBound)
        let modulus = Array(publicKey.der[start..<start + 384])
        for exponent: [UInt8] in [[1, 0, 1], [0, 1, 0, 1]] {
            #expect(try RSAPublicKey(modulus: modulus, exponent: exponent).der == publicKey.der)
        }
        #expect(throws: RSAPublicKey.ReadingError.unsupportedExponent) {
            try RSAPublicKey(modulus: modulus, exponent: [3])
        }
        #expect(throws: RSAPublicKey.ReadingError.self) {
            try RSAPublicKey(modulus: [], exponent: [1, 0, 1])
        }
        var even = modulus
        even[383] &= 0xFE
        #expect(throws: RSAPublicKey.ReadingError.invalidModulus) {
            try RSAPublicKey(modulus: even, exponent: [1, 0, 1])
        }
    }

    @Test(arguments: ["rsa-2048", "rsa-8192"])
    func rejectsOtherSizes(name: String) throws {
        let bits = try #require(Int(name.dropFirst(4)))
        let pem = try vector("\(name).pub.pem")
        #expect(throws: RSAPublicKey.ReadingError.unsupportedSize(bits: bits)) { try RSAPublicKey(pem: pem) }
    }

    @Test(arguments: ["ec", "ed25519", "rsa-pss"])
    func rejectsOtherAlgorithms(name: String) throws {
        let pem = try vector("\(name).pub.pem")
        #expect(throws: RSAPublicKey.ReadingError.notRSA) { try RSAPublicKey(pem: pem) }
    }

    @Test func rejectsTheExponent3() throws {
        let pem = try vector("rsa-3072-e3.pub.pem")
        #expect(throws: RSAPublicKey.ReadingError.unsupportedExponent) { try RSAPublicKey(pem: pem) }
    }

    @Test func rejectsEveryTruncation() throws {
        let der = try RSAPublicKey(pem: try key("rsa-3072").pem).der
        for count in 0..<der.count {
            #expect(throws: RSAPublicKey.ReadingError.self, "\(count)") {
                try RSAPublicKey(der: Array(der.prefix(count)))
            }
        }
        #expect(throws: RSAPublicKey.ReadingError.notAPublicKey) { try RSAPublicKey(der: der + [0]) }
    }

    @Test func rejectsAnyOtherPEM() throws {
        let (pem, privatePEM) = try key("rsa-3072")
        for text in ["", "canary", pem + pem, privatePEM, pem + privatePEM, String(pem.dropLast(30))] {
            #expect(throws: RSAPublicKey.ReadingError.notOnePEMBlock) { try RSAPublicKey(pem: text) }
        }
    }
}
