/// What stands between `-----BEGIN X-----` and `-----END X-----` (RFC 7468). Text around the blocks is passed over, as
/// tools write some there.
package enum PEM {
    package struct Block: Sendable {
        /// `PRIVATE KEY`, `CERTIFICATE`.
        package let label: String
        /// DER; of a block that is encrypted as RFC 1421 has it, ciphertext.
        package let contents: SharedSecret
        package let isEncrypted: Bool
    }

    package enum Failure: Error, Equatable, Sendable {
        /// A block has no end, or another one's.
        case unfinished(label: String)
        case notBase64(label: String)
    }

    /// Whether a line starts a block. What is indented, as in YAML, starts none.
    package static func isIn(_ text: borrowing SecretBytes) -> Bool {
        text.withUnsafeBytes { bytes in lines(bytes).contains { label($0, begin) != nil } }
    }

    /// In their order.
    package static func blocks(in text: borrowing SecretBytes) throws(Failure) -> [Block] {
        try text.withUnsafeBytes { bytes throws(Failure) in
            var blocks: [Block] = []
            var open: (label: String, body: [UnsafeRawBufferPointer])?
            for line in lines(bytes) {
                if let next = label(line, begin) {
                    if let open { throw .unfinished(label: open.label) }
                    open = (next, [])
                } else if let current = open {
                    guard let last = label(line, end) else {
                        open?.body.append(line)
                        continue
                    }
                    guard last == current.label else { throw .unfinished(label: current.label) }
                    blocks.append(try block(current.label, current.body))
                    open = nil
                }
            }
            if let open { throw .unfinished(label: open.label) }
            return blocks
        }
    }

    private static func block(
        _ label: String, _ lines: [UnsafeRawBufferPointer]
    ) throws(Failure) -> Block {
        var body = SecretBuffer()
        var isEncrypted = label.hasPrefix("ENCRYPTED ")
        for line in lines {
            // Headers of RFC 1421 have a colon, which base64 has not.
            guard !line.contains(UInt8(ascii: ":")) else {
                if line.starts(with: "Proc-Type:".utf8) { isEncrypted = true }
                continue
            }
            body.append(line)
        }
        do throws(Base64.DecodingError) {
            return Block(
                label: label,
                contents: SharedSecret(try Base64.decodeSecret(body.finish(), skipping: blanks)),
                isEncrypted: isEncrypted)
        } catch {
            throw .notBase64(label: label)
        }
    }

    private static func label(_ line: UnsafeRawBufferPointer, _ prefix: [UInt8]) -> String? {
        let text = line.prefix(line.lastIndex { !blanks.contains($0) }.map { $0 + 1 } ?? 0)
        guard text.count > prefix.count + dashes.count, text.starts(with: prefix),
            text.suffix(dashes.count).elementsEqual(dashes)
        else { return nil }
        let label = text.dropFirst(prefix.count).dropLast(dashes.count)
        // A label has no two dashes in a row (RFC 7468, 3). Those of a block in one line have, with the key between them.
        guard !zip(label, label.dropFirst()).contains(where: { $0 == dashes[0] && $1 == dashes[0] }) else {
            return nil
        }
        return String(decoding: label, as: UTF8.self)
    }

    private static func lines(_ bytes: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        let text = bytes.dropFirst(bytes.starts(with: byteOrderMark) ? byteOrderMark.count : 0)
        return text.split(separator: UInt8(ascii: "\n")).map { UnsafeRawBufferPointer(rebasing: $0) }
    }

    /// Of UTF-8, as editors of Windows write it.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private static let begin = Array("-----BEGIN ".utf8)
    private static let end = Array("-----END ".utf8)
    private static let dashes = Array("-----".utf8)
    private static let blanks = Base64.lineBreaks.union([UInt8(ascii: " "), UInt8(ascii: "\t")])
}
