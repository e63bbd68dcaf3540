import FoundationEssentials
import TestSupport
import Testing

@testable import Cryptography

struct Base64Tests {
    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func encodesAndDecodesPublishedVectors(plain: String, encoded: String) throws {
        #expect(Base64.encode(plain.utf8) == encoded)
        #expect(try Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test func usesTheStandardAlphabet() throws {
        #expect(Base64.encode([0xFB, 0xFF, 0xBF]) == "+/+/")
        #expect(try Base64.decode("+/+/") == [0xFB, 0xFF, 0xBF])
    }

    @Test(arguments: [
        // Bits that the padding drops are not zero: a second encoding of the same bytes.
        ("Zh==", Base64.DecodingError.Problem.trailingBits, 0), ("Zv==", .trailingBits, 0),
        ("Zm9=", .trailingBits, 0), ("Zm9vYh==", .trailingBits, 4), ("//==", .trailingBits, 0),
        // Padding is missing, too long, inside, or followed by more.
        ("Zg", .length, 2), ("Zm8", .length, 3), ("Zg=", .length, 3), ("Zg===", .length, 5),
        ("=", .length, 1), ("====", .padding, 0), ("Z===", .padding, 1), ("Zg=g", .padding, 3),
        ("=Zg=", .padding, 0), ("Z=g=", .padding, 1), ("Zg==Zg==", .padding, 2), ("Zm8=Zm8=", .padding, 3),
        ("Zm9v====", .padding, 4),
        // White space, the URL alphabet, and text that is not base64.
        ("Zm9v\n", .length, 5), ("Zm9v\r\nYmFy\n\n", .character, 4), ("Zm9 ", .character, 3),
        (" Zm9", .character, 0), ("\tZm9", .character, 0), ("-_-_", .character, 0),
        ("Zm9\u{0}", .character, 3),
        ("Zm9*", .character, 3), ("Zé9", .character, 1), ("ＺZ", .character, 0),
    ])
    func rejects(text: String, problem: Base64.DecodingError.Problem, offset: Int) {
        let expected = Base64.DecodingError(problem: problem, offset: offset)
        #expect(throws: expected) { try Base64.decode(text) }
        #expect(throws: expected) {
            try Array(text.utf8).withBytes { bytes throws(Base64.DecodingError) in
                _ = try Base64.decodeSecret(bytes)
            }
        }
    }

    /// Each was sent to kube-apiserver 1.36 as the value of a Secret, which decodes or rejects it.
    @Test(arguments: [
        ("YR==", "a"), ("YQ==", "a"), ("YWJ=", "ab"), ("YWI=\n", "ab"), ("YW\r\nI=", "ab"), ("YWI\n=", "ab"),
        ("YQ=\n=", "a"), ("YQ==\n\n", "a"), ("\n", ""), ("YWI", nil), ("Y W I=", nil), ("=", nil),
        ("====", nil), ("YQ==YQ==", nil), ("YQ==x", nil), ("YWI_", nil), (" YWI=", nil), ("YWI= ", nil),
        ("YWI\t=", nil),
    ])
    func decodesWhatGoDecodes(text: String, value: String?) {
        let decoded = try? Base64.decodeSecret(
            SecretBytes(copying: text.utf8), skipping: Base64.lineBreaks)
        #expect(decoded?.revealed() == value.map { Array($0.utf8) })
    }

    @Test func agreesWithFoundationOnRandomBytes() throws {
        for count in 0..<200 {
            let bytes = try randomBytes(count: count)
            let text = Base64.encode(bytes)
            #expect(text == Data(bytes).base64EncodedString())
            #expect(text.utf8.count == Base64.encodedCount(count))
            #expect(try Base64.decode(text) == bytes)
            let secret = try Array(text.utf8).withBytes { text throws(Base64.DecodingError) in
                try Base64.decodeSecret(text)
            }
            #expect(secret.revealed() == bytes)
        }
    }

    /// Of all four-letter texts "xyz=" and "xy==", only those that encoding produces can be decoded.
    @Test func acceptsOneEncodingOfEachValue() {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var accepted = 0
        for first in alphabet {
            for second in alphabet {
                let text = "\(first)\(second)=="
                guard let bytes = try? Base64.decode(text) else { continue }
                accepted += 1
                #expect(Base64.encode(bytes) == text)
            }
        }
        #expect(accepted == 256)
    }

    @Test func rejectsEveryByteOutsideTheAlphabet() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min...UInt8.max {
            let decoded = try? [UInt8(ascii: "A"), byte, UInt8(ascii: "A"), UInt8(ascii: "A")].withBytes {
                bytes throws(Base64.DecodingError) in try Base64.decodeSecret(bytes).count
            }
            #expect((decoded != nil) == alphabet.contains(byte), "byte \(byte)")
        }
    }

    @Test func ignoresSkippedBytesAnywhere() throws {
        func decoded(_ text: String) throws(Base64.DecodingError) -> [UInt8] {
            try Base64.decodeSecret(SecretBytes(copying: text.utf8), skipping: Base64.lineBreaks).revealed()
        }
        #expect(try decoded("\nZm\r\n9vYg=\n=\n") == Array("foob".utf8))
        #expect(throws: Base64.DecodingError(problem: .character, offset: 3)) { try decoded("Zm9\n vYmF") }
    }
}

struct Base64URLTests {
    private func decode(_ text: String) throws(Base64.DecodingError) -> [UInt8] {
        try Array(text.utf8).withBytes { bytes throws(Base64.DecodingError) in
            try Base64URL.decodeSecret(bytes).revealed()
        }
    }

    @Test(arguments: [
        ([], ""), ([0x66], "Zg"), ([0x66, 0x6F], "Zm8"), ([0x66, 0x6F, 0x6F], "Zm9v"),
        ([0xFB, 0xFF, 0xBF], "-_-_"), ([0xFB, 0xFF], "-_8"),
    ])
    func encodesAndDecodesWithoutPadding(bytes: [UInt8], text: String) throws {
        #expect(Base64URL.encode(bytes) == text)
        #expect(try decode(text) == bytes)
        var buffer = SecretBuffer()
        bytes.withUnsafeBytes { buffer.appendBase64URL($0) }
        #expect(buffer.finish().revealed() == Array(text.utf8))
    }

    @Test(arguments: ["Zg==", "+/+/", "Z", "Zh", "Zm9", "Zm9v\n", "Zg="])
    func rejectsOtherForms(text: String) {
        #expect(throws: Base64.DecodingError.self) { try decode(text) }
    }
}
