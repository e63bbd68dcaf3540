import Cryptography
import Foundation

@testable import Controller
@testable import KMS
@testable import Settings
@testable import System

extension FuzzTarget {
    static let encodingTargets = [
        FuzzTarget(
            "base64", maximumLength: 512, seeds: Seeds.texts("QUJD", "QQ==", "QR==", "QU\nI=", "-_-_"),
            check: checkBase64),
        FuzzTarget(
            "pem",
            seeds: Seeds.joined(
                Seeds.vectors("tls", "rsa"),
                Seeds.texts("-----BEGIN A-----\nQQ==\n-----END A----------BEGIN B-----\n")),
            check: checkPEM),
        FuzzTarget("public-key", seeds: derSeeds, check: checkPublicKey),
        FuzzTarget(
            "private-key", seeds: derSeeds, check: checkPrivateKey),
        FuzzTarget("certificates", seeds: Seeds.vectors("tls"), check: checkCertificates),
        FuzzTarget(
            "aes-gcm", maximumLength: 256, seeds: Seeds.texts(String(repeating: "k", count: 80)),
            check: checkGCM),
        FuzzTarget(
            "display-text", maximumLength: 512,
            seeds: Seeds.texts("a\u{1B}[1m\u{202E}b", "\u{E0041}x\r\n", "é"), check: checkDisplayText),
        FuzzTarget(
            "packed-text", maximumLength: 256,
            seeds: Seeds.texts(
                "3f8a1c5e-0b2d-4e6f-8a9b-0c1d2e3f4a5b/12", "2026-11-26T02:39:28Z",
                "vault:v1:QUJDQUJDQUJDQUJDQQ==", "007"),
            check: checkPackedText),
        FuzzTarget(
            "timestamp", maximumLength: 128,
            seeds: Seeds.texts(
                "2026-11-26T02:39:28Z", "9999-12-31T23:59:59.999+14:00", "0000-01-01T00:00:00Z"),
            check: checkTimestamp),
    ]

    /// The DER of the PEM files of the vectors.
    private static let derSeeds: @Sendable () -> [[UInt8]] = {
        Seeds.vectors("rsa", "tls")().flatMap { PEM.parsedBlocks(in: SecretBytes(copying: $0)) }
            .compactMap { try? $0.block.get() }.map { revealed($0.contents.bytes) }.filter {
                $0.count <= 4096
            }
    }
}

/// Strict base64 is what Foundation decodes and encodes again to the same text.
@Sendable private func checkBase64(_ input: [UInt8]) throws {
    func reference(_ text: [UInt8]) -> [UInt8]? {
        guard let decoded = Data(base64Encoded: Data(text)) else { return nil }
        return Array(decoded.base64EncodedData()) == text ? Array(decoded) : nil
    }
    let decoded = input.withUnsafeBytes { bytes in
        outcome { () throws(Base64.DecodingError) in revealed(try Base64.decodeSecret(bytes)) }
    }
    switch decoded {
    case .success(let bytes): try require(bytes == reference(input), "decoded \(input.text.debugDescription)")
    case .failure(let error):
        try require(reference(input) == nil, "refused \(input.text.debugDescription)")
        try require(0...input.count ~= error.offset, "offset \(error.offset)")
    }
    try require(Base64.encode(input) == Data(input).base64EncodedString(), "encoded")
    let url = Base64URL.encode(input)
    let again = Array(url.utf8).withUnsafeBytes { try? revealed(Base64URL.decodeSecret($0)) }
    try require(again == input, "base64url of \(input)")
    // As Go decodes: line breaks are skipped, and the bits that padding drops may be set.
    let lenient = try? revealed(Base64.decodeSecret(SecretBytes(copying: input), skipping: Base64.lineBreaks))
    if case .success(let bytes) = decoded { try require(lenient == bytes, "decoded otherwise as Go does") }
    try require(hex(input).utf8.count == 2 * input.count, "hexadecimal")
}

/// Blocks are found exactly if a line begins one, and a block that is written is read as itself.
@Sendable private func checkPEM(_ input: [UInt8]) throws {
    let text = SecretBytes(copying: input)
    let parsed = PEM.parsedBlocks(in: text)
    try require(!PEM.containsBlock(text) || !parsed.isEmpty, "a block that is not found")
    try require(parsed.map(\.line) == parsed.map(\.line).sorted(), "the order of lines")
    for block in parsed.compactMap({ try? $0.block.get() }) {
        var written = SecretBuffer()
        PEM.append(block.contents.bytes, label: "TEST", to: &written)
        let again = try PEM.blocks(in: written.finish())
        try require(again.count == 1 && again[0].contents.bytes.equals(block.contents.bytes), "another block")
    }
    _ = try? RSAPrivateKey(pem: text)
    if let text = input.validText { _ = try? RSAPublicKey(pem: text) }
}

/// A public key that is accepted has one encoding, and encrypts.
@Sendable private func checkPublicKey(_ input: [UInt8]) throws {
    guard let key = try? RSAPublicKey(der: input) else { return }
    try require(key.der == input, "another encoding")
    switch outcome({ () throws(RSAPublicKey.ReadingError) in try RSAPublicKey(pem: key.pem) }) {
    case .success(let again):
        try require(try again.fingerprint() == key.fingerprint(), "another fingerprint")
    // libcrypto's test of the modulus is random: it finds a factor P in one of P attempts.
    case .failure(let error): try require(error == .invalidModulus, "\(error)")
    }
    let ciphertext = try key.encryptOAEP(SecretBytes(copying: [1, 2, 3]))
    try require(ciphertext.count == key.byteCount, "\(ciphertext.count) bytes")
}

/// A private key decrypts or refuses any ciphertext.
@Sendable private func checkPrivateKey(_ input: [UInt8]) throws {
    guard let key = try? RSAPrivateKey(der: SecretBytes(copying: input)) else { return }
    for count in [0, 1, 256] {
        let ciphertext = [UInt8](repeating: 0x41, count: count)
        _ = try? ciphertext.withUnsafeBytes { _ = try key.decryptOAEP($0, label: [1]) }
    }
}

/// The certificates of a text that can be parsed are written as a text with the same certificates.
@Sendable private func checkCertificates(_ input: [UInt8]) throws {
    let chain = CertificateChain(pem: SecretBytes(copying: input))
    _ = (chain.firstInvalid(at: 1_800_000_000)?.position, chain.firstOutOfOrder)
    try require(CertificateChain(pem: SecretBytes(copying: chain.pem)).pem == chain.pem, "another chain")
    let identity = outcome { () throws(TLSClientIdentity.IdentityError) in
        try TLSClientIdentity(certificate: input, key: input.secret)
    }
    if case .failure(let error) = identity { try requireMessage(error.description) }
}

/// No input is authentic, and what is sealed opens.
@Sendable private func checkGCM(_ input: [UInt8]) throws {
    var choices = InputChoices(input)
    let key = SecretBytes(copying: choices.bytes(32))
    let associatedData = choices.bytes(Int(choices.byte()) % 40)
    let rest = choices.remaining
    let isForged = (try? AES256GCM.open(rest, key: key, associatedData: associatedData)) != nil
    try require(!isForged, "a forged ciphertext")
    guard key.count == 32 else { return }
    let sealed = try AES256GCM.seal(SecretBytes(copying: rest), key: key, associatedData: associatedData)
    let opened = try AES256GCM.open(sealed, key: key, associatedData: associatedData)
    try require(revealed(opened) == rest, "another plaintext")
}

/// Shown text has one line and no invisible characters; a shortened one is a prefix.
@Sendable private func checkDisplayText(_ input: [UInt8]) throws {
    let text = input.text
    for shown in [text.escapingInvisibleCharacters, text.asOneLine, text.sanitizedName] {
        try require(!shown.unicodeScalars.contains(where: \.isInvisible), "shown: \(shown.debugDescription)")
    }
    try require(text.sanitizedName.utf8.count <= 128 * 12, "a name of \(text.sanitizedName.utf8.count) bytes")
    for count in [0, 1, 7, 100] {
        let cut = text.truncated(toUTF8: count)
        try require(
            cut.utf8.count <= count && text.utf8.starts(with: cut.utf8), "cut \(cut.debugDescription)")
    }
    let trimmed = input.withUnsafeBytes { bytes in SettingText.trimmedSecret(bytes).map { revealed($0.bytes) }
    }
    try require(trimmed.map { !$0.isEmpty } ?? true, "a setting without text")
    if let word = HeaderValue.visibleASCII(SecretBytes(copying: input)) {
        try require(revealed(word.bytes).allSatisfy { 0x21...0x7E ~= $0 }, "a word with a space")
    }
}

/// A cached text is itself after it was packed; any bytes are read without a trap.
@Sendable private func checkPackedText(_ input: [UInt8]) throws {
    if let text = input.validText {
        var writer = PackedWriter()
        writer.text(text)
        writer.text(nil)
        let packed = writer.finish()
        let (first, second) = packed.withUnsafeBytes { bytes in
            var reader = PackedReader(bytes)
            return (reader.text(), reader.text())
        }
        try require(
            first.map { $0.utf8.elementsEqual(text.utf8) } == true, "unpacked \(first.debugDescription)")
        try require(second == nil, "unpacked a text of nothing")
    }
}

/// A date is one that the formatter of Foundation reads back, and can be compared with the present.
@Sendable private func checkTimestamp(_ input: [UInt8]) throws {
    guard let date = RFC3339.date(input.text) else { return }
    let seconds = date.timeIntervalSince(Date(timeIntervalSince1970: 1_800_000_000))
    try require(seconds.isFinite && abs(seconds) < 1e12, "\(seconds) seconds")
    _ = Duration.seconds(seconds)
}
