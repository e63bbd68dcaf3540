import TestSupport
import Testing

@testable import Cryptography

@Suite struct SecretBytesTests {
    private struct Refusal: Error, Equatable {}

    @Test func keepsWhatItWasGiven() {
        let copied = SecretBytes(copying: Array("s3cret".utf8))
        #expect(copied.revealed() == Array("s3cret".utf8))
        #expect(copied.count == 6)
        let filled = SecretBytes(count: 3) { $0[1] = 7 }
        #expect(filled.revealed() == [0, 7, 0])
        let nothing = SecretBytes(copying: [UInt8]())
        #expect(nothing.count == 0)
        #expect(nothing.revealed() == [])
    }

    @Test func zeroesItsMemoryWhenReleased() {
        let releases = ReleasedMemory.during {
            let secret = SecretBytes(copying: repeatElement(0xA5, count: 4096))
            #expect(secret.revealed().allSatisfy { $0 == 0xA5 })
        }
        #expect(releases == [.init(count: 4096, isZero: true)])
    }

    @Test func zeroesItsMemoryWhenItsInitialiserThrows() {
        let releases = ReleasedMemory.during {
            #expect(throws: Refusal()) {
                _ = try SecretBytes(count: 32) { output throws(Refusal) in
                    output.initializeMemory(as: UInt8.self, repeating: 0xA5)
                    throw Refusal()
                }
            }
        }
        #expect(releases == [.init(count: 32, isZero: true)])
    }

    @Test func lastOwnerOfASharedSecretZeroesIt() {
        var first: SharedSecret? = SharedSecret(copying: repeatElement(0xA5, count: 64))
        var second = first
        #expect(ReleasedMemory.during { first = nil }.isEmpty)
        #expect(second?.count == 64)
        #expect(ReleasedMemory.during { second = nil } == [.init(count: 64, isZero: true)])
        #expect(first == nil && second == nil)
    }

    @Test func failedDecryptionLeavesNoPlaintextBehind() throws {
        let key = SecretBytes(copying: repeatElement(1, count: 32))
        let plaintext = SecretBytes(copying: repeatElement(0xA5, count: 100))
        var sealed = try AES256GCM.seal(plaintext, key: key, associatedData: [])
        sealed[sealed.count - 1] ^= 1
        let releases = ReleasedMemory.during {
            #expect(throws: CryptoError.authenticationFailed) {
                _ = try AES256GCM.open(sealed, key: key, associatedData: [])
            }
        }
        #expect(releases == [.init(count: 100, isZero: true)])
    }

    @Test func failedBase64LeavesNoPlaintextBehind() {
        let releases = ReleasedMemory.during {
            #expect(throws: Base64.DecodingError.self) {
                try Array("c2VjcmV0c2Vj!!!!".utf8).withBytes { text throws(Base64.DecodingError) in
                    _ = try Base64.decodeSecret(text)
                }
            }
        }
        #expect(releases == [.init(count: 12, isZero: true)])
    }

    @Test func comparesByContent() {
        let secret = SecretBytes(copying: [1, 2, 3])
        #expect(secret.equals(SecretBytes(copying: [1, 2, 3])) == true)
        #expect(secret.equals(SecretBytes(copying: [1, 2, 4])) == false)
        #expect(secret.equals(SecretBytes(copying: [0, 2, 3])) == false)
        #expect(secret.equals(SecretBytes(copying: [1, 2])) == false)
        #expect(SecretBytes(copying: [UInt8]()).equals(SecretBytes(copying: [UInt8]())) == true)
    }

    @Test func randomSecretsDiffer() throws {
        let first = try SecretBytes.random(count: 32)
        let second = try SecretBytes.random(count: 32)
        #expect(first.equals(second) == false)
        #expect(first.revealed().contains { $0 != 0 })
        #expect(try randomBytes(count: 16) != randomBytes(count: 16))
        #expect(try randomBytes(count: 0) == [])
    }
}
