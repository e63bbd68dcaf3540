import TestSupport
import Testing

@testable import Cryptography

struct SecretBytesTests {
    private struct Refusal: Error, Equatable {}

    @Test func storesTheGivenBytes() {
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

    @Test func zeroesASharedSecretWhenTheLastOwnerReleasesIt() {
        var first: SharedSecret? = SharedSecret(copying: repeatElement(0xA5, count: 64))
        var second = first
        #expect(ReleasedMemory.during { first = nil }.isEmpty)
        #expect(second?.count == 64)
        #expect(ReleasedMemory.during { second = nil } == [.init(count: 64, isZero: true)])
        #expect(first == nil)
        #expect(second == nil)
    }

    @Test func zeroesThePlaintextOfAFailedDecryption() throws {
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

    @Test func zeroesThePlaintextOfFailedBase64() {
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

    @Test func splitsAtASeparator() {
        let parts = SecretBytes(copying: Array(",a,,bc,".utf8)).split(separator: UInt8(ascii: ","))
        #expect(parts.map { $0.bytes.revealed() } == [Array("a".utf8), Array("bc".utf8)])
    }
}

struct SecretBufferTests {
    @Test func growsByteByByte() {
        var buffer = SecretBuffer(capacity: 0)
        let expected = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for byte in expected { buffer.append(byte) }
        #expect(buffer.count == 1000)
        #expect(buffer.finish().revealed() == expected)
    }

    @Test func growsByPiecesOfAnySize() {
        var buffer = SecretBuffer(capacity: 16)
        var expected: [UInt8] = []
        for size in [0, 1, 15, 16, 17, 0, 255, 4096, 3] {
            let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
            buffer.append(piece)
            expected += piece
        }
        buffer.append("static")
        buffer.append(SecretBytes(copying: [1, 2, 3]))
        expected += Array("static".utf8) + [1, 2, 3]
        buffer.withUnsafeBytes { #expect(Array($0) == expected) }
        #expect(buffer.finish().revealed() == expected)
    }

    @Test func removesAndZeroesTheLastBytes() {
        var buffer = SecretBuffer()
        buffer.append([1, 2, 3])
        buffer.removeLast(2)
        buffer.append(4)
        buffer.removeLast(0)
        buffer.removeLast(-1)
        buffer.withUnsafeBytes { #expect(Array($0) == [1, 4]) }
        buffer.removeLast(10)
        #expect(buffer.count == 0)
    }

    @Test func appendsBase64InPlace() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(200 &+ $0) }
            var buffer = SecretBuffer(capacity: 16)
            buffer.append("<")
            bytes.withUnsafeBytes { buffer.appendBase64($0) }
            buffer.append(">")
            #expect(buffer.finish().revealed() == Array("<\(Base64.encode(bytes))>".utf8))
        }
    }

    @Test func zeroesTheMemoryItOutgrows() {
        let releases = ReleasedMemory.during {
            var buffer = SecretBuffer(capacity: 16)
            buffer.append([UInt8](repeating: 0xA5, count: 16))
            buffer.append(0xA5)
            buffer.append([UInt8](repeating: 0xA5, count: 100))
        }
        #expect(releases == [16, 32, 117].map { .init(count: $0, isZero: true) })
    }

    @Test func zeroesItsMemoryWhenItFinishes() {
        let releases = ReleasedMemory.during {
            var buffer = SecretBuffer(capacity: 32)
            buffer.append("secret")
            let secret = buffer.finish()
            #expect(secret.count == 6)
        }
        #expect(releases == [32, 6].map { .init(count: $0, isZero: true) })
    }
}
