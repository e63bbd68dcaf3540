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

    package enum DecodingError: Error, Equatable, Sendable {
        /// A block has no end, or another one's.
        case missingEndLine(label: String)
        case invalidBase64(label: String)
    }

    /// Whether a line starts a block. What is indented, as in YAML, starts none.
    package static func containsBlock(_ text: borrowing SecretBytes) -> Bool {
        text.withUnsafeBytes { bytes in lines(bytes).contains { label($0, begin) != nil } }
    }

    /// In their order.
    package static func blocks(in text: borrowing SecretBytes) throws(DecodingError) -> [Block] {
        var blocks: [Block] = []
        for entry in parsedBlocks(in: text) { blocks.append(try entry.block.get()) }
        return blocks
    }

    /// One block, whole or damaged, and where it starts.
    package struct ParsedBlock: Sendable {
        package let label: String
        /// The line of its BEGIN, from 1.
        package let line: Int
        package let block: Result<Block, DecodingError>
    }

    /// All blocks of a text, in their order. A damaged one does not hide those after it: reading goes on at the next
    /// BEGIN, as Go's encoding/pem does.
    package static func parsedBlocks(in text: borrowing SecretBytes) -> [ParsedBlock] {
        text.withUnsafeBytes { bytes in
            var entries: [ParsedBlock] = []
            var open: (label: String, line: Int, body: [UnsafeRawBufferPointer])?
            func close(_ end: String?) {
                guard let current = open else { return }
                open = nil
                let block: Result<Block, DecodingError>
                do throws(DecodingError) {
                    guard end == current.label else { throw .missingEndLine(label: current.label) }
                    block = .success(try Self.block(current.label, current.body))
                } catch {
                    block = .failure(error)
                }
                entries.append(ParsedBlock(label: current.label, line: current.line, block: block))
            }
            for (index, line) in numberedLines(bytes) {
                if let next = label(line, begin) ?? label(withoutMark(line), begin) {
                    close(nil)
                    open = (next, index, [])
                } else if open != nil {
                    if let last = label(line, end) { close(last) } else { open?.body.append(line) }
                }
            }
            close(nil)
            return entries
        }
    }

    private static func block(
        _ label: String, _ lines: [UnsafeRawBufferPointer]
    ) throws(DecodingError) -> Block {
        var body = SecretBuffer()
        var isEncrypted = label.hasPrefix("ENCRYPTED ")
        for line in lines {
            // Headers of RFC 1421 have a colon, which base64 has not.
            guard !line.contains(UInt8(ascii: ":")) else {
                if line.starts(with: "Proc-Type:".utf8) || line.starts(with: "DEK-Info:".utf8) {
                    isEncrypted = true
                }
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
            throw .invalidBase64(label: label)
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

    /// From 1. A line that ends one block and begins the next, as joined files without a last line break have it, is two.
    private static func numberedLines(_ bytes: UnsafeRawBufferPointer) -> [(Int, UnsafeRawBufferPointer)] {
        lines(bytes).enumerated().flatMap { index, line -> [(Int, UnsafeRawBufferPointer)] in
            let whole = [(index + 1, line)]
            guard line.starts(with: end) else { return whole }
            let rest = line.dropFirst(end.count)
            let joint = rest.indices.first { rest[$0...].starts(with: dashes + begin) }
            guard let joint else { return whole }
            let middle = joint + dashes.count
            return [
                (index + 1, UnsafeRawBufferPointer(rebasing: line[..<middle])),
                (index + 1, UnsafeRawBufferPointer(rebasing: line[middle...])),
            ]
        }
    }

    /// Whether the bytes are DER, which some tools write instead of PEM: a long SEQUENCE.
    package static func looksLikeDER(_ bytes: borrowing SecretBytes) -> Bool {
        bytes.withUnsafeBytes { $0.count > 4 && $0[0] == 0x30 && 0x81...0x83 ~= $0[1] }
    }

    private static func lines(_ bytes: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        withoutMark(bytes).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { UnsafeRawBufferPointer(rebasing: $0) }
    }

    /// Files that were joined have marks in the middle.
    private static func withoutMark(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard bytes.starts(with: byteOrderMark) else { return bytes }
        return UnsafeRawBufferPointer(rebasing: bytes.dropFirst(byteOrderMark.count))
    }

    /// Of UTF-8, as editors of Windows write it.
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private static let begin = Array("-----BEGIN ".utf8)
    private static let end = Array("-----END ".utf8)
    private static let dashes = Array("-----".utf8)
    private static let blanks = Base64.lineBreaks.union([UInt8(ascii: " "), UInt8(ascii: "\t")])

    /// Appends a block in the form that every reader takes: base64 in lines of 64 characters.
    package static func append(
        _ contents: borrowing SecretBytes, label: StaticString, to text: inout SecretBuffer
    ) {
        text.append("-----BEGIN ")
        text.append(label)
        text.append("-----\n")
        contents.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 48) {
                text.appendBase64(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + 48, bytes.count)]))
                text.append(UInt8(ascii: "\n"))
            }
        }
        text.append("-----END ")
        text.append(label)
        text.append("-----\n")
    }
}
