import Testing

@testable import Cryptography

@Suite struct ConstantTimeTests {
    @Test func equalBytesAreEqual() {
        #expect(constantTimeEquals([], []))
        #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
    }

    @Test func anyChangedBitIsSeen() {
        let bytes = (0..<33).map { UInt8($0) }
        for index in bytes.indices {
            for bit in 0..<8 {
                var other = bytes
                other[index] ^= 1 << bit
                #expect(!constantTimeEquals(bytes, other))
            }
        }
    }

    @Test func anotherLengthIsNotEqual() {
        #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
        #expect(!constantTimeEquals([1, 2], [1, 2, 0]))
        #expect(!constantTimeEquals([], [0]))
        #expect(!constantTimeEquals([0], []))
    }
}
