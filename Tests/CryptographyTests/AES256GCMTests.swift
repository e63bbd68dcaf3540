import Testing

@testable import Cryptography

struct AES256GCMTests {
    private let associatedData = Array("context".utf8)

    private func key(_ byte: UInt8 = 7, count: Int = 32) -> SecretBytes {
        SecretBytes(copying: repeatElement(byte, count: count))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 1000, 256 * 1024])
    func decryptsWhatItEncrypted(count: Int) throws {
        let plaintext = SecretBytes(copying: (0..<count).map { UInt8(truncatingIfNeeded: $0) })
        let sealed = try AES256GCM.seal(plaintext, key: key(), associatedData: associatedData)
        #expect(sealed.count == count + AES256GCM.overhead)
        let opened = try AES256GCM.open(sealed, key: key(), associatedData: associatedData)
        #expect(opened.equals(plaintext) == true)
    }

    @Test func usesANewNonceForEachMessage() throws {
        let plaintext = SecretBytes(copying: [1, 2, 3])
        var nonces: Set<[UInt8]> = []
        for _ in 0..<100 {
            nonces.insert(
                Array(try AES256GCM.seal(plaintext, key: key(), associatedData: []).prefix(12)))
        }
        #expect(nonces.count == 100)
    }

    @Test func rejectsEveryFlippedBitTruncationAndExtension() throws {
        let sealed = try AES256GCM.seal(
            SecretBytes(copying: Array("value".utf8)), key: key(), associatedData: associatedData)
        func opens(_ sealed: [UInt8]) -> Bool {
            (try? AES256GCM.open(sealed, key: key(), associatedData: associatedData).count) != nil
        }
        #expect(opens(sealed))
        for index in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[index] ^= 1 << bit
                #expect(!opens(changed))
            }
            #expect(!opens(Array(sealed[..<index])))
            #expect(!opens(Array(sealed[index...].dropFirst())))
        }
        for byte in UInt8.min...UInt8.max {
            #expect(!opens(sealed + [byte]))
            #expect(!opens([byte] + sealed))
        }
    }

    @Test func rejectsAnotherKeyOrAssociatedData() throws {
        let sealed = try AES256GCM.seal(
            SecretBytes(copying: [1]), key: key(), associatedData: associatedData)
        #expect(throws: CryptoError.authenticationFailed) {
            _ = try AES256GCM.open(sealed, key: key(8), associatedData: associatedData)
        }
        for other in [[], Array("contexT".utf8), associatedData + [0]] {
            #expect(throws: CryptoError.authenticationFailed) {
                _ = try AES256GCM.open(sealed, key: key(), associatedData: other)
            }
        }
    }

    @Test(arguments: [0, 16, 24, 31, 33, 64])
    func refusesKeysThatAreNot32Bytes(count: Int) {
        #expect(throws: CryptoError.wrongLength(of: "key", expected: 32, actual: count)) {
            _ = try AES256GCM.seal(SecretBytes(copying: [1]), key: key(count: count), associatedData: [])
        }
    }

    /// The layout nonce ‖ ciphertext ‖ tag can be split only if the nonce has 12 bytes.
    @Test(arguments: [0, 8, 11, 13, 16])
    func refusesNoncesThatAreNot12Bytes(count: Int) {
        #expect(throws: CryptoError.wrongLength(of: "nonce", expected: 12, actual: count)) {
            _ = try AES256GCM.seal(
                SecretBytes(copying: [1]), key: key(), nonce: [UInt8](repeating: 0, count: count),
                associatedData: [])
        }
    }

    @Test func rejectsInputThatIsTooShortForNonceAndTag() {
        for count in 0..<AES256GCM.overhead {
            #expect(throws: CryptoError.wrongLength(of: "sealed box", expected: 28, actual: count)) {
                _ = try AES256GCM.open(
                    [UInt8](repeating: 0, count: count), key: key(), associatedData: [])
            }
        }
    }
}
