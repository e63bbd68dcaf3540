import TestSupport
import Testing

@testable import Cryptography

struct LibCryptoTests {
    /// FIPS 180-4 examples, and the empty message.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256OfPublishedMessages(message: String, digest: String) throws {
        #expect(hex(try sha256(Array(message.utf8))) == digest)
    }

    @Test func sha256OfAMillionLetters() throws {
        let digest = try sha256([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
        #expect(hex(digest) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    /// A test case of RFC 4231 section 4, in hexadecimal.
    struct Message: Sendable {
        let key: String
        let message: String
        let mac: String
    }

    /// Case 5 is left out, because it truncates the result.
    @Test(arguments: [
        Message(
            key: String(repeating: "0b", count: 20), message: "4869205468657265",
            mac: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        Message(
            key: "4a656665", message: "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
            mac: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        Message(
            key: String(repeating: "aa", count: 20), message: String(repeating: "dd", count: 50),
            mac: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        Message(
            key: "0102030405060708090a0b0c0d0e0f10111213141516171819",
            message: String(repeating: "cd", count: 50),
            mac: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        Message(
            key: String(repeating: "aa", count: 131),
            message: """
                54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579\
                204669727374
                """,
            mac: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        Message(
            key: String(repeating: "aa", count: 131),
            message: """
                5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b65\
                7920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e\
                6565647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d41\
                4320616c676f726974686d2e
                """,
            mac: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ])
    func hmacOfPublishedMessages(_ published: Message) throws {
        let key = SecretBytes(copying: try bytes(hex: published.key))
        #expect(hex(try hmacSHA256(bytes(hex: published.message), key: key).revealed()) == published.mac)
    }

    @Test func hmacOfAnEmptyMessage() throws {
        let mac = try hmacSHA256([], key: SecretBytes(copying: [UInt8]()))
        #expect(hex(mac.revealed()) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test func hexOfEveryByte() {
        #expect(hex([0x00, 0x0F, 0x10, 0xAB, 0xFF]) == "000f10abff")
        #expect(hex([]) == "")
    }

    @Test func equalBytesAreEqual() {
        #expect(constantTimeEquals([], []))
        #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
    }

    @Test func detectsAnyChangedBit() {
        let bytes = (0..<33).map { UInt8($0) }
        for index in bytes.indices {
            for bit in 0..<8 {
                var other = bytes
                other[index] ^= 1 << bit
                #expect(!constantTimeEquals(bytes, other))
            }
        }
    }

    @Test func bytesOfDifferentLengthsAreNotEqual() {
        #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
        #expect(!constantTimeEquals([1, 2], [1, 2, 0]))
        #expect(!constantTimeEquals([], [0]))
        #expect(!constantTimeEquals([0], []))
    }
}

private func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { a in right.withUnsafeBytes { constantTimeEquals(a, $0) } }
}
