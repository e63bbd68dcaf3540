import TestSupport
import Testing

@testable import Cryptography

@Suite struct SecretBufferTests {
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
