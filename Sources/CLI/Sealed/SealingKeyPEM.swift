import Cryptography

/// The private keys of one text in PEM.
struct SealingKeyPEM {
    let source: String
    private(set) var keys: [RSAPrivateKey] = []
    /// One that is not RSA is in it, and thus something else's.
    private(set) var hasNonRSAKey = false

    /// Errors: it is not PEM, or damaged; no private key is in it, or one that is encrypted.
    init(_ text: SharedSecret, _ source: String) throws(InputError) {
        self.source = source
        let blocks = try Self.blocks(in: text, source)
        for block in blocks where block.label.hasSuffix("PRIVATE KEY") { try add(block) }
        guard keys.isEmpty, !hasNonRSAKey else { return }
        if blocks.isEmpty, let form = Self.formatProblem(of: text) { throw InputError(source, form) }
        let found = blocks.first.map { "\(quoted($0.label)) is in it, and" } ?? "it is no PEM, and has"
        throw InputError(
            source, "\(found) no private key; that is in what this prints: \(SealingKeys.exportCommand)")
    }

    /// What is to be said of a key that is no PEM; nil: nothing that looks like one is there.
    static func formatProblem(of text: SharedSecret) -> String? {
        if ManifestFile.mentions("-----BEGIN ", in: text) {
            return
                "-----BEGIN does not stand on a line of its own, at its start; PEM is expected as openssl writes it, "
                + "not indented, and with line breaks, not \\n"
        }
        // A SEQUENCE whose length takes more than a byte (X.690, 8.1.3.5), which no text begins with.
        let isDER = text.bytes.withUnsafeBytes { $0.count > 1 && $0[0] == 0x30 && $0[1] & 0x80 != 0 }
        return isDER
            ? "this is binary, as keys in DER are; PEM is expected, which openssl pkey -inform der -in FILE makes of it"
            : nil
    }

    private static func blocks(in text: SharedSecret, _ source: String) throws(InputError) -> [PEM.Block] {
        do throws(PEM.DecodingError) {
            return try PEM.blocks(in: text.bytes)
        } catch {
            switch error {
            case .missingEndLine(let label):
                throw InputError(source, "the block \(quoted(label)) has no end; is the file whole?")
            case .invalidBase64(let label):
                throw InputError(source, "the block \(quoted(label)) is not valid base64; is the file whole?")
            }
        }
    }

    private mutating func add(_ block: PEM.Block) throws(InputError) {
        guard !block.isEncrypted else {
            throw InputError(
                source,
                "the private key is encrypted; decrypt it on the way: openssl pkey -in FILE | secrets-bridge import "
                    + "--sealing-key - …")
        }
        do throws(RSAPrivateKey.ReadingError) {
            keys.append(try RSAPrivateKey(der: block.contents.bytes))
        } catch {
            switch error {
            case .notAPrivateKey:
                throw InputError(source, "the block \(quoted(block.label)) is no private key, or damaged")
            case .notRSA:
                hasNonRSAKey = true
            }
        }
    }
}
