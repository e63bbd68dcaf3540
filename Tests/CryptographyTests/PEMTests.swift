import TestSupport
import Testing

@testable import Cryptography

/// RFC 7468, and the older encryption of RFC 1421.
struct PEMTests {
    private func blocks(_ text: String) throws(PEM.DecodingError) -> [PEM.Block] {
        try PEM.blocks(in: SecretBytes(copying: text.utf8))
    }

    @Test func findsBlocksBetweenOtherText() throws {
        let found = try blocks(
            "Bag Attributes\n-----BEGIN CERTIFICATE-----\r\nZm9v\r\nYmE=\r\n-----END CERTIFICATE-----\r\n"
                + "Key: 1\n-----BEGIN PRIVATE KEY-----\nZm9v \n\n-----END PRIVATE KEY-----")
        #expect(found.map(\.label) == ["CERTIFICATE", "PRIVATE KEY"])
        #expect(found.map { $0.contents.bytes.revealed() } == [Array("fooba".utf8), Array("foo".utf8)])
        #expect(found.allSatisfy { !$0.isEncrypted })
        #expect(try blocks("").isEmpty)
        #expect(try blocks("no PEM").isEmpty)
    }

    /// `cat a b` joins two lines if a has no final line break.
    @Test func splitsALineThatEndsOneBlockAndBeginsTheNext() throws {
        let block = "-----BEGIN X-----\nZm9v\n-----END X-----"
        #expect(try blocks(block + block + block).count == 3)
        let entries = PEM.parsedBlocks(in: SecretBytes(copying: (block + block).utf8))
        #expect(entries.map(\.line) == [1, 3])
    }

    @Test func recognisesDER() {
        let der: [UInt8] = [0x30, 0x82, 1, 0, 0x30, 0x82]
        #expect(throws: TLSClientIdentity.IdentityError.certificateIsDER) {
            try TLSClientIdentity(certificate: der, key: SharedSecret(copying: der))
        }
    }

    @Test func recognisesEncryptedBlocks() throws {
        let modern = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nZm9v\n-----END ENCRYPTED PRIVATE KEY-----\n"
        let old = """
            -----BEGIN RSA PRIVATE KEY-----
            Proc-Type: 4,ENCRYPTED
            DEK-Info: AES-256-CBC,00

            Zm9v
            -----END RSA PRIVATE KEY-----
            """
        for text in [modern, old] { #expect(try blocks(text).map(\.isEncrypted) == [true]) }
    }

    @Test(arguments: [
        ("-----BEGIN X-----\nZm9v\n", PEM.DecodingError.missingEndLine(label: "X")),
        ("-----BEGIN X-----\nZm9v\n-----END Y-----\n", .missingEndLine(label: "X")),
        ("-----BEGIN X-----\nZm9v\n-----BEGIN X-----\nZm9v\n-----END X-----\n", .missingEndLine(label: "X")),
        ("-----BEGIN X-----\nZm9\n-----END X-----\n", .invalidBase64(label: "X")),
        ("-----BEGIN X-----\nZm9*\n-----END X-----\n", .invalidBase64(label: "X")),
    ])
    func rejectsIncompleteBlocks(text: String, failure: PEM.DecodingError) {
        #expect(throws: failure) { try blocks(text) }
    }

    @Test func aBlockStartsOnlyOnALineOfItsOwn() {
        func isIn(_ text: String) -> Bool { PEM.containsBlock(SecretBytes(copying: text.utf8)) }
        #expect(isIn("-----BEGIN X-----\n"))
        #expect(isIn("x\n-----BEGIN X-----\r\n"))
        #expect(!isIn("stringData:\n  tls.key: |\n    -----BEGIN X-----\n"))
        #expect(isIn("\u{FEFF}-----BEGIN X-----\n"))
        #expect(!isIn("x\n\u{FEFF}-----BEGIN X-----\n"))
        #expect(!isIn(#"-----BEGIN X-----\nZm9v\n-----END X-----"#))
        #expect(!isIn("-----BEGIN X----\n"))
        #expect(!isIn("-----BEGIN -----\n"))
        #expect(!isIn(""))
    }
}
